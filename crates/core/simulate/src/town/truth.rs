//! The truth as text: what was used and what befell whom, to score detectors with.

use std::fmt::Write as _;

use meter::Timestamp;

use super::Town;
use super::home::{Home, Medium};
use super::parcel::point;
use super::transformer;
use super::window::{Befallen, Mishap};

/// The heading of [`used_rows`]. Used and metered are watt-hours, or litres of water.
pub const USED_HEADER: &str = "point,medium,from,to,used,metered\n";

/// The heading of [`befallen_rows`].
pub const BEFALLEN_HEADER: &str = "mishap,point,medium,from,to,size,size_in\n";

/// What a home used of everything in each window between neighbouring `bounds`, and
/// what its meters counted.
pub fn used_rows(home: &Home, bounds: &[Timestamp]) -> String {
    let mut rows = String::new();
    let point = point(home.number());
    for (medium, gauge) in Medium::ALL.into_iter().filter_map(|medium| Some((medium, home.gauge(medium)?))) {
        let mut reader = gauge.reader();
        let mut seen = bounds.iter().map(|bound| (*bound, reader.used(*bound), reader.total(*bound)));
        let Some(mut before) = seen.next() else { continue };
        for now in seen {
            let (used, metered) = (now.1 - before.1, now.2 - before.2);
            writeln!(rows, "{point},{},{},{},{used},{metered}", medium.name(), before.0, now.0)
                .expect("a string takes it");
            before = now;
        }
    }
    rows
}

/// What befell anyone, one a line.
pub fn befallen_rows(befallen: &[Befallen]) -> String {
    let mut rows = String::new();
    for Befallen { mishap, number, medium, from, to, size } in befallen {
        let point = if *mishap == Mishap::Outage { transformer::point(*number) } else { point(*number) };
        writeln!(rows, "{},{point},{},{from},{to},{size},{}", mishap.name(), medium.name(), mishap.size_in())
            .expect("a string takes it");
    }
    rows
}

impl Town {
    /// All that befell homes and transformers in `[from, to)`, but for deliveries.
    pub fn befell(&self, from: Timestamp, to: Timestamp) -> Vec<Befallen> {
        let homes = (0..self.homes()).flat_map(|home| self.home(home).befell(from, to));
        let transformers = (0..self.transformers()).flat_map(|number| transformer::befell(self, number, from, to));
        homes.chain(transformers).collect()
    }
}
