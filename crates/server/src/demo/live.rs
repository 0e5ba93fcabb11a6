//! The town goes on: what its meters show every few seconds, and each half-hour
//! when it is over.

use std::time::Duration;

use host::Clock;
use meter::{Decimal, Timestamp};
use simulate::{HALF_HOUR, Home, Medium, Parcel, Town};

use super::post;
use crate::output;
use crate::remote::Remote;

const STEP: Duration = Duration::from_secs(5);
/// Requests stay below a megabyte.
const HOMES_A_REQUEST: u32 = 1_000;

/// Sends until it fails or is dropped; half-hours are sent up to `sent`.
pub async fn go_on(town: Town, mut sent: Timestamp, clock: &dyn Clock, remote: &Remote) -> anyhow::Result<()> {
    let status = output::status();
    let mut readings = 0;
    loop {
        let now = clock.now();
        let at = Timestamp(now.0 - now.0.rem_euclid(1_000_000));
        let over = Timestamp(at.0 - at.0.rem_euclid(HALF_HOUR.0));
        for first in (0..town.homes()).step_by(HOMES_A_REQUEST as usize) {
            let homes = (first..town.homes().min(first + HOMES_A_REQUEST)).map(|home| town.home(home));
            let parcels: Vec<Parcel> = homes.flat_map(|home| news(&home, sent, over, at)).collect();
            readings += parcels.iter().map(|parcel| parcel.values.len()).sum::<usize>();
            post(remote, simulate::request(&parcels).into()).await?;
        }
        if over > sent {
            let transformers = (0..town.transformers()).map(|number| town.transformer(number).half_hours(sent, over));
            post(remote, simulate::request(&transformers.collect::<Vec<_>>()).into()).await?;
            sent = over;
        }
        let outside = Decimal::new(town.weather().temperature_millicelsius(at) / 100, 1);
        status.set_message(format!("{at}: {outside} °C outside, {readings} live readings sent"));
        host::sleep(STEP).await;
    }
}

fn news(home: &Home, sent: Timestamp, over: Timestamp, at: Timestamp) -> Vec<Parcel> {
    let mut parcels = home.now(at);
    if over > sent {
        parcels.extend(Medium::ALL.into_iter().flat_map(|medium| home.half_hours(medium, sent, over)));
    }
    parcels
}
