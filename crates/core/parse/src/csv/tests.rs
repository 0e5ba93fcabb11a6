//! What files say under a profile, and what is read of them.

use meter::{Event, Kind, Quality, Reading, Refusal, Sink, Timestamp};

use super::*;

/// One line for each reading, event and refusal.
#[derive(Default)]
struct Listing(Vec<String>);

impl Sink for Listing {
    fn reading(&mut self, r: Reading<'_>) {
        let minutes = r.span.0 / 60_000_000;
        let span = if r.reading_type.kind == Kind::Interval { format!("{minutes}m") } else { "at".into() };
        let names = [r.point, r.device, r.register].join("/");
        let changed = r.message_time.map(|at| format!(" changed {at}")).unwrap_or_default();
        let said = [r.unit, r.quality, r.reason].join(" ");
        self.0.push(format!("{names} {} {span} {} {}{changed}", r.start, r.value, said.trim_end()).trim_end().into());
    }

    fn event(&mut self, e: Event<'_>) {
        self.0.push(format!("{} {} {} {} {:?}", e.place, e.kind, e.point, e.at, e.code));
    }

    fn refused(&mut self, r: Refusal<'_>) {
        self.0.push(format!("{}: {}: {}", r.place, r.code, r.reason));
    }
}

fn listed(mapping: &Mapping, file_name: &str, file: &str) -> String {
    let mut listing = Listing::default();
    csv(mapping, file_name, file.as_bytes(), Limits::default(), &mut listing).expect("memory never fails");
    listing.0.join("\n")
}

/// Under a built-in profile.
fn check(name: &str, file: &str, expected: &str) {
    let mapping = Mapping::named(name).expect("a profile");
    assert_eq!(listed(&mapping, "in/HOME_1.csv.gz", file), expected);
}

/// Under a profile whose text this is.
fn check_profile(profile: &str, file: &str, expected: &str) {
    let mapping = Mapping::from_toml("mine", profile).expect("a profile");
    assert_eq!(listed(&mapping, "HOME_1.csv", file), expected);
}

#[test]
fn every_built_in_profile_is_right() {
    for (name, text) in profile::BUILT_IN {
        let mapping = Mapping::from_toml(name, text).expect("a profile");
        assert_eq!(mapping.name(), format!("csv/{name}"));
        assert_eq!(Mapping::named(mapping.name()), Ok(mapping));
    }
}

#[test]
fn an_irish_file_stands_newest_first_and_names_the_end() {
    check(
        "csv/esb-hdf",
        "MPRN,Meter Serial Number,Read Value,Read Type,Read Date and End Time\r\n\
         1,2,0.1290,Active Import Interval (kWh),29-10-2023 02:00\r\n\
         1,2,0.1265,Active Import Interval (kWh),29-10-2023 01:30\r\n\
         1,2,0.0000,Active Export Interval (kWh),29-10-2023 01:30\r\n\
         1,2,0.1380,Active Import Interval (kWh),29-10-2023 01:30\r\n\
         1,2,0.0000,Active Export Interval (kWh),29-10-2023 01:30\r\n\
         1,2,0.5,24 hr Active Import Register (kWh),29-10-2023 00:00\r\n\
         1,2,0.5,Active Import Interval (kWh),26-03-2023 01:30\r\n",
        "1/2/Active Import Interval (kWh) 2023-10-29T01:30:00Z 30m 0.1290 kWh\n\
         1/2/Active Import Interval (kWh) 2023-10-29T01:00:00Z 30m 0.1265 kWh\n\
         1/2/Active Export Interval (kWh) 2023-10-29T01:00:00Z 30m 0.0000 kWh\n\
         1/2/Active Import Interval (kWh) 2023-10-29T00:00:00Z 30m 0.1380 kWh\n\
         1/2/Active Export Interval (kWh) 2023-10-29T00:00:00Z 30m 0.0000 kWh\n\
         line 7: csv.register: column \"Read Value\": register \"24 hr Active Import Register (kWh)\" is none that the \
         profile knows: Active Export Interval (kW), Active Export Interval (kWh), Active Import Interval (kW), Active \
         Import Interval (kWh)\n\
         line 8: csv.nonexistent_time: column \"Read Date and End Time\": 2023-03-26T01:30:00 does not exist in \
         Europe/Dublin: its clocks were put forward by 60 minutes",
    );
}

#[test]
fn each_cell_at_a_time_that_does_not_exist_is_refused_by_name() {
    check(
        "csv/ausgrid",
        ",GC,GG\n2011-10-02 01:30:00,0.34600000000000003,1e-3\n2011-10-02 02:00:00,0.0,0.0\n2012-04-01 02:30:00,1,\n",
        "HOME//GC 2011-10-01T15:30:00Z 30m 0.34600000000000003 kWh\n\
         HOME//GG 2011-10-01T15:30:00Z 30m 0.001 kWh\n\
         line 3: csv.nonexistent_time: column \"GC\": 2011-10-02T02:00:00 does not exist in Australia/Sydney: its \
         clocks were put forward by 60 minutes\n\
         line 3: csv.nonexistent_time: column \"GG\": 2011-10-02T02:00:00 does not exist in Australia/Sydney: its \
         clocks were put forward by 60 minutes\n\
         HOME//GC 2012-03-31T15:30:00Z 30m 1 kWh\n\
         line 4 csv.missing HOME 2012-03-31T15:30:00Z \"\"",
    );
}

#[test]
fn a_heading_may_name_point_and_register() {
    check(
        "csv/simbench",
        "time;lv_rural1_pload;H0-A_qload\n01.01.2016 00:00;-0.145698;x\n\n01.01.2016 00:15;1,5;2\n",
        "lv_rural1//pload 2015-12-31T23:00:00Z 15m -0.145698 pu\n\
         line 2: csv.value: column \"H0-A_qload\": \"x\" is not a number\n\
         line 4: csv.value: column \"lv_rural1_pload\": \"1,5\" is not a number\n\
         H0-A//qload 2015-12-31T23:15:00Z 15m 2 pu",
    );
    check(
        "csv/simbench",
        "time;H0-A_pload;H0-A_temp\n01.01.2016 00:00;1;2\n",
        "line 1: csv.register: column \"H0-A_temp\": register \"temp\" is none that the profile knows: pload, qload\n\
         H0-A//pload 2015-12-31T23:00:00Z 15m 1 pu",
    );
}

#[test]
fn options_say_what_a_file_does_not() {
    check(
        "csv/opendsm?unit=therm&commodity=gas&interval=30m&zone=Europe/London",
        "start,value\n2020-07-01 01:00:00,1.5\n2020-07-01T01:30:00+00:00,nan\n",
        "HOME_1// 2020-07-01T00:00:00Z 30m 1.5 therm\nline 3 csv.missing HOME_1 2020-07-01T01:30:00Z \"nan\"",
    );
    check("csv/generic-wide?interval=1h", "start,A\n2020-07-01T01:00Z,1", "A// 2020-07-01T01:00:00Z 60m 1");
    check(
        "csv/generic-wide",
        "start,A\n2020-07-01T01:00Z,1",
        "line 1: csv.header: no column \"end\", and nothing says how long an interval is: add it to the format's name, \
         such as csv/generic-wide?interval=15m",
    );
    for name in
        ["csv/opendsm?unt=kWh", "csv/opendsm?unit", "csv/opendsm?interval=1w", "csv/opendsm?zone=Dublin", "csv/x"]
    {
        assert!(Mapping::named(name).is_err(), "{name}");
    }
}

#[test]
fn a_day_is_as_long_as_it_is_in_its_zone() {
    check(
        "csv/opendsm?interval=1d&zone=America/Chicago",
        "start,value\n2016-03-12T00:00:00-06:00,1\n2016-03-13T00:00:00-06:00,2\n2016-11-06,3\n",
        "HOME_1// 2016-03-12T06:00:00Z 1440m 1\n\
         HOME_1// 2016-03-13T06:00:00Z 1380m 2\n\
         HOME_1// 2016-11-06T05:00:00Z 1500m 3",
    );
}

#[test]
fn what_the_export_writes_reads_back() {
    check(
        "csv/generic-long",
        "point,device,register,start,end,value,unit,quality,reason\n\
         \"NMI 1\",\"a,b\",\"E\"\"1\",2004-04-16T14:00:00Z,2004-04-16T14:30:00Z,1.50,kWh,estimated,79\n\
         P,,R,2004-04-16T14:00:00Z,2004-04-16T14:00:00Z,7,,,\n",
        "NMI 1/a,b/E\"1 2004-04-16T14:00:00Z 30m 1.50 kWh estimated 79\nP//R 2004-04-16T14:00:00Z at 7",
    );
}

#[test]
fn one_bad_row_costs_itself() {
    check("csv/generic-long", "Point;x\n", "line 1: csv.header: no column \"start\"; the header has \"Point;x\"");
    check(
        "csv/generic-long",
        "point,start,end,value,quality\nA,yesterday,,1,\n\"A,x\nA,1\nA,2020-01-01,2020-01-01,1,good\n\
         ,2020-01-01,2020-01-01,1,\nA,2020-01-02,2020-01-01,1,\nA,2020-01-02,2020-01-03,1,,\nA,1,1,1,1,1\n\
         A,2000-01-01T00:00:00,2001-01-01,1,\n",
        "line 2: csv.time: column \"start\": \"yesterday\" is no time of the form iso\n\
         line 3: csv.quote: a quote that does not end with its cell\n\
         line 4: csv.field_count: 2 cells where there are 5 columns\n\
         A// 2020-01-01T00:00:00Z at 1  good\n\
         line 6: csv.text: column \"point\": no point is named\n\
         line 7: csv.interval: column \"value\": an interval from 2020-01-02T00:00:00Z to 2020-01-01T00:00:00Z\n\
         A// 2020-01-02T00:00:00Z 1440m 1\n\
         line 9: csv.field_count: 6 cells where there are 5 columns\n\
         line 10: csv.time: column \"value\": 2000-01-01T00:00:00Z is where a clock starts that was never set",
    );
    check("csv/esb-hdf", "", "the whole source: csv.header: the file ends before its header");
    check("csv/generic-long", "point,value,start,start\n", "line 1: csv.header: column \"start\" stands there twice");
}

/// The rank of each row's quality word under a built-in profile.
#[test]
fn a_foreign_quality_word_is_kept_and_ranked() {
    struct Ranks(Vec<(String, Quality)>);
    impl Sink for Ranks {
        fn reading(&mut self, reading: Reading<'_>) {
            self.0.push((reading.quality.into(), reading.canonical));
        }
        fn event(&mut self, _: Event<'_>) {}
        fn refused(&mut self, refusal: Refusal<'_>) {
            panic!("{}", refusal.reason);
        }
    }
    let words = [
        ("", Quality::Measured),
        ("A", Quality::Measured),
        ("S14", Quality::Estimated),
        ("F57", Quality::Final),
        ("Estimated", Quality::Estimated),
        ("validated", Quality::Validated),
        ("good", Quality::Questionable),
        ("S145", Quality::Questionable),
    ];
    let rows = words.map(|(word, _)| format!("P,2020-01-01,2020-01-02,1,{word}\n")).concat();
    let mut ranks = Ranks(Vec::new());
    let mapping = Mapping::named("csv/generic-long").expect("a profile");
    let file = format!("point,start,end,value,quality\n{rows}");
    csv(&mapping, "", file.as_bytes(), Limits::default(), &mut ranks).expect("memory never fails");
    assert_eq!(ranks.0, words.map(|(word, rank)| (word.to_owned(), rank)));
}

#[test]
fn a_profile_that_lists_its_quality_words_refuses_others() {
    check_profile(
        "about = 'x'\nlayout = 'long'\npoint = { column = 'point' }\nquality = { column = 'quality' }\n\
         [time]\ncolumn = 'at'\nform = 'iso'\nstamps = 'start'\ninterval = '30m'\nzone = 'UTC'\nrepeated = 'refuse'\n\
         [value]\ncolumn = 'value'\nkind = 'interval'\n[quality_words]\nok = 'measured'\nguess = 'estimated'\n",
        "point,at,value,quality\nA,2020-01-01,1,OK\nA,2020-01-01,1,A\n",
        "A// 2020-01-01T00:00:00Z 30m 1  OK\n\
         line 3: csv.quality: column \"quality\": quality \"A\" is none of guess, ok",
    );
}

#[test]
fn a_line_without_end_costs_itself_and_a_header_without_end_the_file() {
    let long = "x".repeat(LINE_BYTES_MAX + 1);
    check(
        "csv/opendsm?point=A",
        &format!("start,value\n{long}\n2020-01-02,2\n"),
        "line 2: csv.line_too_long: the line is longer than the 65536 bytes that are read\n\
         A// 2020-01-02T00:00:00Z 60m 2",
    );
    check(
        "csv/opendsm?point=A",
        &format!("{long}\n2020-01-02,2\n"),
        "line 1: csv.line_too_long: the line is longer than the 65536 bytes that are read",
    );
}

#[test]
fn a_row_of_one_day_has_a_column_for_each_time() {
    let profile = r#"
        about = "the solar homes as Ausgrid published them"
        layout = "day"
        skip_lines = 1
        point = { column = "Customer" }
        register = { column = "Consumption Category" }
        [time]
        column = "date"
        form = "%d/%m/%Y"
        stamps = "end"
        interval = "12h"
        zone = "Australia/Sydney"
        repeated = "ascending"
        [value]
        kind = "interval"
        ignore = ["Postcode"]
        [registers.GC]
        unit = "kWh"
    "#;
    check_profile(
        profile,
        "Solar homes, see the notes\nCustomer,Postcode,Consumption Category,date,12:00,0:00\n\
         12,2000,GC,2/07/2012,0.5,0.25\n12,2000,CL,2/07/2012,1,2\n",
        "12//GC 2012-07-01T14:00:00Z 720m 0.5 kWh\n12//GC 2012-07-02T02:00:00Z 720m 0.25 kWh\n\
         line 4: csv.register: column \"12:00\": register \"CL\" is none that the profile knows: GC\n\
         line 4: csv.register: column \"0:00\": register \"CL\" is none that the profile knows: GC",
    );
}

#[test]
fn counters_without_a_header_have_columns_by_number() {
    let profile = r#"
        about = "a data logger's file"
        layout = "long"
        delimiter = ";"
        decimal = ","
        header = false
        exponents = false
        point = { column = 2 }
        register = { constant = "1-0:1.8.0" }
        unit = { constant = "kWh" }
        quality = { column = 4 }
        [time]
        column = 1
        changed_column = 5
        form = "%d.%m.%Y %H:%M:%S"
        stamps = "end"
        zone = "+01:00"
        repeated = "refuse"
        [value]
        column = 3
        kind = "register"
        commodity = "electricity"
        flow = "delivered"
        missing = ["", "---"]
        [quality_words]
        W = "measured"
        E = "estimated"
    "#;
    check_profile(
        profile,
        "31.12.2019 24:00:00;A;1234,50;W;02.01.2020 00:00:00\n01.01.2020 01:00:00;A;---;W;\n\
         01.01.2020 02:00:00;A;1.5;W;\n01.01.2020 03:00:00;A;1e5;E;\n01.01.2020 04:00:00;A;-7;E;;x\n",
        "A//1-0:1.8.0 2019-12-31T23:00:00Z at 1234.50 kWh W changed 2020-01-01T23:00:00Z\n\
         line 2 csv.missing A 2020-01-01T00:00:00Z \"---\"\n\
         line 3: csv.value: column \"3\": \"1.5\" is not a number with the decimal mark ','\n\
         line 4: csv.value: column \"3\": \"1e5\" has an exponent, which the profile does not expect\n\
         A//1-0:1.8.0 2020-01-01T03:00:00Z at -7 kWh E",
    );
}

#[test]
fn files_put_together_have_their_header_twice() {
    check(
        "csv/opendsm?point=A",
        "start,value\n2020-01-01,1\nstart,value\n2020-01-02,2\n",
        "A// 2020-01-01T00:00:00Z 60m 1\nA// 2020-01-02T00:00:00Z 60m 2",
    );
}

#[test]
fn a_point_from_the_files_name_needs_one() {
    let mapping = Mapping::named("csv/opendsm").expect("a profile");
    assert_eq!(
        listed(&mapping, "", "start,value\n2020-01-01,1\n"),
        "line 1: csv.file_name: the point stands in the file's name, and \"\" says none; add ?point=NAME to the \
         format's name"
    );
}

#[test]
fn nothing_later_than_the_file_is_believed() {
    let mapping = Mapping::named("csv/opendsm?point=A").expect("a profile");
    let limits = Limits { newest: Some(Timestamp::parse("2020-01-01T12:00:00Z").expect("a time")) };
    let mut listing = Listing::default();
    csv(&mapping, "", &b"start,value\n2020-01-01,1\n2020-01-02,2\n"[..], limits, &mut listing).expect("readable");
    assert_eq!(listing.0.len(), 2);
    assert!(listing.0[1].contains("csv.time") && listing.0[1].contains("after the file came in"), "{:?}", listing.0);
}

#[test]
fn a_profile_that_cannot_be_used_says_which_key() {
    let good = r#"
        about = "x"
        layout = "long"
        point = { column = "p" }
        [time]
        column = "t"
        form = "iso"
        stamps = "start"
        interval = "15m"
        zone = "UTC"
        repeated = "refuse"
        [value]
        column = "v"
        kind = "interval"
    "#;
    let changes = [
        ("about", "abuot", "unknown field `abuot`"),
        ("\"15m\"", "\"15\"", "time.interval \"15\""),
        ("interval = \"15m\"", "", "time.interval"),
        ("\"UTC\"", "\"Mars\"", "time.zone \"Mars\""),
        ("\"iso\"", "\"%d\"", "time.form \"%d\""),
        ("\"long\"", "\"wide\"", "value.column"),
        ("{ column = \"p\" }", "{}", "point"),
        ("{ column = \"p\" }", "{ column = 0 }", "point \"0\""),
        ("{ column = \"p\" }", "{ heading = true }", "point"),
        ("about = \"x\"", "about = \"x\"\ndelimiter = \".\"", "delimiter"),
        ("kind = \"interval\"", "kind = \"interval\"\nflow = \"in\"", "value.flow \"in\""),
    ];
    assert!(Mapping::from_toml("x", good).is_ok());
    for (from, to, expected) in changes {
        let error = Mapping::from_toml("x", &good.replacen(from, to, 1)).expect_err(to).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_header_tells_its_profile_only_without_doubt() {
    let found = |head: &str| recognise(head.as_bytes()).map(|mapping| mapping.name().to_owned());
    let long = format!("time{}", ";HS1_pload".repeat(500));
    for (head, expected) in [
        ("MPRN,Meter Serial Number,Read Value,Read Type,Read Date and End Time\r\n", Some("csv/esb-hdf")),
        ("\u{feff}time;H0-A_qload;H0-A_pload\n", Some("csv/simbench")),
        (&long[..4000], Some("csv/simbench")),
        (",GC,GG\n", Some("csv/ausgrid")),
        ("start,value\r\n", Some("csv/opendsm")),
        ("start,value\n2020-01-01T00:00Z,1\n2020-01-01T01:00Z,1\n2020-01-01T05:00Z,1\n", Some("csv/opendsm")),
        ("start,value\n2020-01-01T00:00Z,1\n2020-01-02T00:00Z,1\n", None),
        ("start,value\n2020-01-01T00:00Z,1\n2020-01-01T00:30Z,1\n", None),
        ("start,value\n2020-01-01T00:00Z,1\n2020-01-0", Some("csv/opendsm")),
        ("start,value,unit\n", None),
        ("start,value", None),
        ("time;a;b\n", None),
        ("time\n", None),
        ("point,start,end,value\n", None),
    ] {
        assert_eq!(found(head).as_deref(), expected, "{head}");
    }
}
