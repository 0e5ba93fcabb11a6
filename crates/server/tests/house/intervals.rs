//! Tables of intervals that others keep, against what plain arithmetic on their
//! lines gives. The files are not ours to pass on: present or said to be absent.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::street::{House, path, text};

/// The text of a packed file, written into the house under its own name.
fn unpacked(house: &House, folder: &str, name: &str) -> Option<(PathBuf, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/interval").join(folder);
    let mut text = String::new();
    if let Ok(bytes) = std::fs::read(dir.join(format!("{name}.gz"))) {
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("packed text");
    } else if let Ok(bytes) = std::fs::read(dir.join(format!("{name}.zst"))) {
        text = String::from_utf8(zstd::decode_all(&bytes[..]).expect("packed")).expect("text");
    } else {
        eprintln!("skipped: {} is not present in {}", name, dir.display());
        return None;
    }
    Some((house.file(name, &text), text))
}

/// How many 10^-18 a number is, exactly.
fn atto(text: &str) -> i128 {
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let number: i128 = format!("{whole}{fraction}").parse().expect("digits");
    let places = 18 + exponent.parse::<i32>().expect("an exponent") - fraction.len() as i32;
    number * 10_i128.pow(u32::try_from(places).expect("at most 18 digits behind the point"))
}

/// Rows of a query, as CSV without its head.
fn rows(house: &House, sql: &str) -> Vec<Vec<String>> {
    let said = house.says(&["sql", "--format", "csv", sql]);
    said.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn import(house: &House, format: Option<&str>, file: &Path) -> Vec<i64> {
    let mut arguments = vec!["--json", "import"];
    arguments.extend(format.iter().flat_map(|format| ["--format", format]));
    arguments.push(path(file));
    let output = house.run(&arguments);
    let outcomes: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    ["accepted", "duplicate", "corrected", "refused"]
        .map(|count| outcomes[0][count].as_i64().expect("a count"))
        .to_vec()
}

#[test]
fn hours_sum_to_the_days_of_their_place_as_others_summed_them() {
    let house = House::new();
    for meter in ["il-electricity-cdd-hdd", "il-gas-intercept-only"] {
        let Some((hours, _)) = unpacked(&house, "opendsm", &format!("{meter}-hourly.csv")) else { return };
        let Some((_, days)) = unpacked(&house, "opendsm", &format!("{meter}-daily.csv")) else { return };
        let counts = import(&house, Some("csv/opendsm?unit=kWh"), &hours);
        assert_eq!((counts[0], counts[1], counts[2]), (19_417 - counts[3], 0, 0), "{counts:?}");
        let sql = format!(
            "select local_day(start, 'America/Chicago') as day, sum(quantity), count(*) \
             from readings where point = '{meter}-hourly' group by day order by day"
        );
        let ours: BTreeMap<String, (i128, u32)> = rows(&house, &sql)
            .into_iter()
            .map(|row| (row[0].clone(), (atto(&row[1]), row[2].parse().expect("a count"))))
            .collect();
        let mut lengths = BTreeMap::new();
        let mut compared = 0;
        for line in days.lines().skip(1) {
            let (start, value) = line.split_once(',').expect("two columns");
            // The last day has no value.
            if value == "nan" {
                continue;
            }
            let (sum, hours) = ours[&start[..10]];
            *lengths.entry(hours).or_insert(0) += 1;
            assert!((sum - atto(value)).abs() <= atto("0.05"), "{meter}, {start}: {sum} for {value} of {hours} hours");
            compared += 1;
        }
        assert_eq!(compared, 809, "{meter}");
        assert!(lengths[&23] >= 2 && lengths[&25] >= 2, "{lengths:?}");
    }
}

#[test]
fn the_irish_file_is_read_whole_its_repeated_hour_too() {
    let house = House::new();
    let Some((file, text)) = unpacked(&house, "esb_hdf", "HDF_EXAMPLE.csv") else { return };
    let mut sums = BTreeMap::new();
    for line in text.lines().skip(1).filter(|line| !line.trim().is_empty()) {
        let cells: Vec<&str> = line.split(',').collect();
        let sum = sums.entry(if cells[3].contains("Import") { "import" } else { "export" }).or_insert((0, 0));
        *sum = (sum.0 + 1, sum.1 + atto(cells[2].trim()));
    }
    assert_eq!(import(&house, None, &file), [55_691, 0, 0, 0]);
    let sql = "select flow, count(*), sum(quantity) from readings group by flow order by flow";
    let ours = rows(&house, sql);
    let mut ours: Vec<(i64, i128)> = ours.iter().map(|row| (row[1].parse().expect("a count"), atto(&row[2]))).collect();
    let mut theirs: Vec<(i64, i128)> = sums.into_values().collect();
    theirs.sort_unstable();
    ours.sort_unstable();
    assert_eq!(ours, theirs);
}

#[test]
fn the_australian_year_is_read_but_for_what_its_clock_never_showed() {
    let house = House::new();
    let Some((file, text)) = unpacked(&house, "ausgrid", "customer12_2011-2012.csv") else { return };
    let skipped = |time: &str| time.starts_with("2011-10-02 02:");
    let mut theirs = [(0, 0); 2];
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        for (sum, cell) in theirs.iter_mut().zip(&cells[1..]).filter(|_| !skipped(cells[0])) {
            *sum = (sum.0 + 1, sum.1 + atto(cell));
        }
    }
    let counts = import(&house, Some("csv/ausgrid"), &file);
    assert_eq!(counts, [35_132, 0, 0, 4]);
    let ours =
        rows(&house, "select register, count(*), sum(quantity) from readings group by register order by register");
    let ours: Vec<(i64, i128)> = ours.iter().map(|row| (row[1].parse().expect("a count"), atto(&row[2]))).collect();
    assert_eq!(ours, theirs);
    let codes = rows(&house, "select code, count(*) from refused group by code");
    assert_eq!(codes, [["csv.nonexistent_time", "4"]]);
}

/// A year of quarter-hours in 192 columns, 6.7 million readings: each column by itself.
#[test]
fn every_column_of_the_grid_profiles_sums_to_what_stands_in_it() {
    let house = House::new();
    let Some((file, text)) = unpacked(&house, "simbench", "LoadProfile.csv") else { return };
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("a header").split(';').skip(1).collect();
    let mut sums = vec![(0, 0); names.len()];
    for line in lines.filter(|line| !line.is_empty()) {
        for (sum, cell) in sums.iter_mut().zip(line.split(';').skip(1)) {
            *sum = (sum.0 + 1, sum.1 + atto(cell));
        }
    }
    let theirs: BTreeMap<String, (i64, i128)> = names.iter().map(|name| (*name).to_owned()).zip(sums).collect();
    assert_eq!(theirs.len(), 192);
    assert_eq!(import(&house, None, &file), [6_746_112, 0, 0, 0]);
    let sql = "select point, register, count(*), sum(quantity) from readings group by point, register";
    let ours = rows(&house, sql).into_iter();
    let ours: BTreeMap<String, (i64, i128)> =
        ours.map(|row| (format!("{}_{}", row[0], row[1]), (row[2].parse().expect("a count"), atto(&row[3])))).collect();
    assert_eq!(ours, theirs);
}
