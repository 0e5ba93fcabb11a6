//! Tables made by chance: what is written reads back, and nothing is lost
//! between readings, missing values and refusals.

use std::io::BufReader;

use meter::{Decimal, Timestamp};
use parse::csv::{Mapping, csv};
use parse::{Format, Limits};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::kept::Kept;

/// How a table is written; what the profile says of it.
#[derive(Clone, Debug)]
struct Written {
    delimiter: char,
    decimal: char,
    form: &'static str,
    stamps: &'static str,
    minutes: i64,
    zone: &'static str,
    repeated: &'static str,
    wide: bool,
    quoted: bool,
}

const POINTS: [&str; 3] = ["A", "point 2", "Zähler_3"];

impl Written {
    fn profile(&self) -> String {
        let Written { delimiter, decimal, form, stamps, minutes, zone, repeated, .. } = self;
        let (layout, point, column) = match self.wide {
            true => ("wide", "heading = true", ""),
            false => ("long", "column = \"point\"", "column = \"value\""),
        };
        format!(
            "about = 'x'\nlayout = '{layout}'\ndelimiter = '{delimiter}'\ndecimal = '{decimal}'\npoint = {{ {point} }}\n\
             [time]\ncolumn = 'at'\nform = '{form}'\nstamps = '{stamps}'\ninterval = '{minutes}m'\nzone = '{zone}'\n\
             repeated = '{repeated}'\n[value]\n{column}\nkind = 'interval'\n"
        )
    }

    /// What the clock of the table's place showed.
    fn clock(&self, start: Timestamp) -> jiff::Zoned {
        let shift = if self.stamps == "end" { self.minutes * 60_000_000 } else { 0 };
        let zone = jiff::tz::TimeZoneDatabase::bundled().get(self.zone).expect("a zone");
        jiff::Timestamp::from_microsecond(start.0 + shift).expect("in range").to_zoned(zone)
    }

    fn stands_twice(&self, start: Timestamp) -> bool {
        let at = self.clock(start);
        at.time_zone().to_ambiguous_timestamp(at.datetime()).is_ambiguous()
    }

    fn stamp(&self, start: Timestamp) -> String {
        let at = self.clock(start);
        let form = if self.form == "iso" { "%Y-%m-%dT%H:%M" } else { self.form };
        at.strftime(form).to_string()
    }

    fn number(&self, value: Decimal) -> String {
        value.to_string().replace('.', &self.decimal.to_string())
    }

    /// A table of these starts, with a row's values under [`POINTS`].
    fn table(&self, rows: &[(Timestamp, [String; 3])]) -> String {
        let mut lines = Vec::new();
        lines.push(if self.wide {
            self.line(&["at", POINTS[0], POINTS[1], POINTS[2]])
        } else {
            self.line(&["value", "point", "at"])
        });
        for (start, values) in rows {
            let at = self.stamp(*start);
            match self.wide {
                true => lines.push(self.line(&[&at, &values[0], &values[1], &values[2]])),
                false => lines.extend(POINTS.iter().zip(values).map(|(point, value)| self.line(&[value, point, &at]))),
            }
        }
        lines.join("\n")
    }

    fn line(&self, cells: &[&str]) -> String {
        let cells = cells.iter().map(|cell| if self.quoted { format!("\"{cell}\"") } else { (*cell).to_owned() });
        cells.collect::<Vec<_>>().join(&self.delimiter.to_string())
    }
}

fn written() -> impl Strategy<Value = Written> {
    let forms = select(&["iso", "%d.%m.%Y %H:%M", "%Y%m%d%H%M", "%m/%d/%Y %H:%M:%S"][..]);
    let zones = select(&["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"][..]);
    let minutes = select(&[5, 10, 15, 30][..]);
    (select(&[';', '\t', '|'][..]), select(&['.', ','][..]), forms, select(&["start", "end"][..]), minutes, zones)
        .prop_flat_map(|(delimiter, decimal, form, stamps, minutes, zone)| {
            (select(&["ascending", "descending", "count"][..]), any::<bool>(), any::<bool>()).prop_map(
                move |(repeated, wide, quoted)| Written {
                    delimiter,
                    decimal,
                    form,
                    stamps,
                    minutes,
                    zone,
                    repeated,
                    wide,
                    quoted,
                },
            )
        })
}

/// Rows through a night on which clocks go back or forward, forwards.
fn rows(minutes: i64) -> impl Strategy<Value = Vec<(Timestamp, [Decimal; 3])>> {
    // When clocks change in Europe, the States and on Lord Howe Island, in autumn and spring.
    let nights =
        select(&[1_477_789_200_i64, 1_459_040_400, 1_478_412_000, 1_457_852_400, 1_712_415_600, 1_728_142_200][..]);
    let value = (any::<i64>(), 0_u8..=18).prop_map(|(value, scale)| Decimal::new(value, scale));
    (nights, vec([value.clone(), value.clone(), value], 1..60)).prop_map(move |(night, values)| {
        let first = (night - minutes * 60 * 30) / 3600 * 3600;
        let at = |index: usize| Timestamp::from_seconds(first + index as i64 * minutes * 60).expect("in range");
        values.into_iter().enumerate().map(|(index, values)| (at(index), values)).collect()
    })
}

/// A file that begins or ends within an hour that stands twice does not say
/// which of the two it has: such rows are left out.
fn cases() -> impl Strategy<Value = (Written, Vec<(Timestamp, [Decimal; 3])>)> {
    written().prop_flat_map(|written| {
        let minutes = written.minutes;
        rows(minutes).prop_map(move |mut rows| {
            let is_twice = |row: &(Timestamp, [Decimal; 3])| written.stands_twice(row.0);
            rows.truncate(rows.iter().rposition(|row| !is_twice(row)).map_or(0, |last| last + 1));
            rows.drain(..rows.iter().position(|row| !is_twice(row)).unwrap_or(0));
            (written.clone(), rows)
        })
    })
}

fn read(written: &Written, file: &[u8]) -> Kept {
    let mapping = Mapping::from_toml("made", &written.profile()).expect("a profile");
    let mut kept = Kept::default();
    csv(&mapping, "", file, Limits::default(), &mut kept).expect("memory never fails");
    kept
}

proptest! {
    #[test]
    fn what_a_profile_writes_reads_back((written, mut rows) in cases()) {
        if written.repeated == "descending" {
            rows.reverse();
        }
        let texts: Vec<_> =
            rows.iter().map(|(start, values)| (*start, values.map(|value| written.number(value)))).collect();
        let kept = read(&written, written.table(&texts).as_bytes());
        prop_assert_eq!(&kept.refusals, &[]);
        prop_assert_eq!(kept.readings.len(), rows.len() * 3);
        let said = rows.iter().flat_map(|(start, values)| POINTS.iter().zip(values).map(move |cell| (*start, cell)));
        for (reading, (start, (point, value))) in kept.readings.iter().zip(said) {
            prop_assert_eq!((&*reading.point, reading.start), (*point, start));
            prop_assert_eq!((reading.value.value, reading.value.scale), (value.value, value.scale));
            prop_assert_eq!(reading.end.0 - reading.start.0, written.minutes * 60_000_000);
        }
    }

    #[test]
    fn every_data_cell_is_read_or_missing_or_refused(
        (written, rows) in cases(),
        damage in vec((any::<usize>(), 0..3_usize, "[-+0-9.,eE naN]{0,6}"), 0..12),
        times in vec(any::<usize>(), 0..4),
    ) {
        let mut texts: Vec<_> =
            rows.iter().map(|(start, values)| (*start, values.map(|value| written.number(value)))).collect();
        for (row, column, text) in &damage {
            let Some(row) = row.checked_rem(texts.len()) else { continue };
            texts[row].1[*column] = text.clone();
        }
        let table = written.table(&texts);
        let mut lines: Vec<String> = table.lines().map(str::to_owned).collect();
        for at in times {
            let Some(row) = at.checked_rem(lines.len() - 1).map(|row| row + 1) else { continue };
            lines[row] = lines[row].replacen(":", "x", 1).replacen("20", "2x", 1);
        }
        let kept = read(&written, lines.join("\r\n").as_bytes());
        let cells = kept.readings.len() + kept.events.len() + kept.refusals.len();
        prop_assert_eq!(cells, rows.len() * 3);
        for (_, code, reason) in &kept.refusals {
            prop_assert!(code.starts_with("csv.") && reason.starts_with("column "), "{}: {}", code, reason);
        }
    }

    #[test]
    fn small_pieces_change_nothing((written, rows) in cases(), bytes in 1_usize..40) {
        let texts: Vec<_> =
            rows.iter().map(|(start, values)| (*start, values.map(|value| written.number(value)))).collect();
        let table = written.table(&texts);
        let mapping = Mapping::from_toml("made", &written.profile()).expect("a profile");
        let mut kept = Kept::default();
        let input = BufReader::with_capacity(bytes, table.as_bytes());
        csv(&mapping, "", input, Limits::default(), &mut kept).expect("memory never fails");
        prop_assert_eq!(kept, read(&written, table.as_bytes()));
    }

    #[test]
    fn no_bytes_make_a_profile_panic(
        file in vec(any::<u8>(), 0..300),
        lines in vec("[-0-9:T.,;\" \tnaeEZ+/x]{0,40}", 0..8),
        header in any::<bool>(),
    ) {
        let headers = [
            "point,start,end,value,unit,quality", "start,A,B", "time;A_pload;B_qload", ",GC,GG", "start,value",
            "MPRN,Meter Serial Number,Read Value,Read Type,Read Date and End Time",
        ];
        for name in parse::csv::names() {
            let format = Format::from_name(&format!("{name}?interval=15m")).expect("a profile");
            for first in headers {
                let mut body = if header { format!("{first}\n{}\n", lines.join("\n")).into_bytes() } else { Vec::new() };
                body.extend(&file);
                let mut kept = Kept::default();
                parse::read_file(format.clone(), "f_1.csv", &body[..], Limits::default(), &mut kept).expect("readable");
            }
        }
    }

    #[test]
    fn no_profile_or_name_makes_checking_panic(text in "[a-z_ =\"'\\[\\]{}0-9.,\n]{0,200}", options in "[a-z=&?/:+0-9]{0,40}") {
        let _ = Mapping::from_toml("x", &text);
        let _ = Format::named(&format!("csv/opendsm?{options}"));
        let _ = Format::named(&format!("csv/{options}"));
    }
}
