//! What files say, and what is read of them. `1.5*48` stands for 48 values.

use meter::{Event, Kind, Reading, Refusal, Sink};

use super::*;

/// One line for each event and refusal, and for each run of readings that
/// differ in their start only.
#[derive(Default)]
struct Listing {
    lines: Vec<String>,
    run: Option<(String, String, Timestamp, usize)>,
}

impl Listing {
    fn finish_run(&mut self) {
        if let Some((head, tail, _, count)) = self.run.take() {
            let times = if count == 1 { String::new() } else { format!(" x{count}") };
            self.lines.push(format!("{head}{times} {tail}"));
        }
    }
}

impl Sink for Listing {
    fn reading(&mut self, r: Reading<'_>) {
        let minutes = r.span.0 / 60_000_000;
        let span = if r.reading_type.kind == Kind::Register { "register".into() } else { format!("{minutes}m") };
        let changed = r.message_time.map_or("never".into(), |t| t.to_string());
        let tail = format!("{} {} {} {} {changed}", r.value, r.unit, r.quality, r.reason);
        let same = self.run.as_ref().is_some_and(|(_, told, end, _)| *told == tail && *end == r.start);
        if let (true, Some((_, _, end, count))) = (same && r.span.0 > 0, &mut self.run) {
            *end = r.start.plus(r.span);
            *count += 1;
            return;
        }
        self.finish_run();
        let head = format!("{} {} {} {} {span}", r.point, r.device, r.register, r.start);
        self.run = Some((head, tail, r.start.plus(r.span), 1));
    }

    fn event(&mut self, e: Event<'_>) {
        self.finish_run();
        let minutes = e.span.0 / 60_000_000;
        self.lines.push(format!("{} {} {} {minutes}m {} {:?} {}", e.kind, e.point, e.register, e.at, e.text, e.code));
    }

    fn refused(&mut self, r: Refusal<'_>) {
        self.finish_run();
        self.lines.push(format!("{}: {}: {}", r.place, r.code, r.reason));
    }
}

fn expanded(file: &str) -> String {
    let fields = file.split_inclusive([',', '\n']).map(|field| match field.split_once('*') {
        Some((value, count)) => {
            let (count, end) = count.split_at(count.len() - 1);
            let count = count.parse().expect("a count after the star");
            vec![value; count].join(",") + end
        }
        None => field.to_string(),
    });
    fields.collect()
}

fn listing(file: &str, limits: Limits) -> Vec<String> {
    let mut listing = Listing::default();
    nem(expanded(file).as_bytes(), limits, &mut listing).expect("memory never fails");
    listing.finish_run();
    listing.lines
}

fn check(file: &str, expected: &[&str]) {
    let found = listing(file, Limits::default());
    let expected: Vec<_> = expected.iter().map(|line| line.to_string()).collect();
    let trimmed: Vec<_> = found.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(trimmed, expected, "\n{file}");
}

#[test]
fn a_day_becomes_intervals_of_market_time() {
    check(
        "100,NEM12,202403021200,MDP,RET
200,NMI1,E1B1,1,E1,N1,M7,KWH,30,20240401
300,20240301,1.50*47,2,A,,,20240302101112,20240302202122
200,NMI1,E1B1,1,B1,N1,M7,kwh,5,
300,20240301,.5*288,S14,76,,,
900",
        &[
            "NMI1 M7 E1 2024-02-29T14:00:00Z 30m x47 1.50 KWH A 2024-03-02T00:11:12Z",
            "NMI1 M7 E1 2024-03-01T13:30:00Z 30m 2 KWH A 2024-03-02T00:11:12Z",
            "NMI1 M7 B1 2024-02-29T14:00:00Z 5m x288 0.5 kwh S14 76 2024-03-02T02:00:00Z",
        ],
    );
}

#[test]
fn a_variable_day_takes_its_qualities_from_its_400_records() {
    check(
        "100,NEM12,202403021200,MDP,RET
200,NMI1,E1,,E1,,,kWh,30,
300,20240301,1*48,V,,,20240302101112,
400,21,48,F14,76,Comms fault
400,1,20,A,,
900",
        &[
            "NMI1 E1 2024-02-29T14:00:00Z 30m x20 1 kWh A 2024-03-02T00:11:12Z",
            "NMI1 E1 2024-03-01T00:00:00Z 30m x28 1 kWh F14 76 2024-03-02T00:11:12Z",
            "nem12.reason NMI1 E1 840m 2024-03-01T00:00:00Z \"Comms fault\" 76",
        ],
    );
}

#[test]
fn a_day_whose_qualities_are_in_doubt_is_refused_with_its_400_records() {
    let head = "100,NEM12,202403021200,MDP,RET\n200,NMI1,E1,,E1,,,kWh,30,\n300,20240301,1*48,V,,,,\n";
    let orphan = "nem12.orphan: the 300 record at line 3, which this 400 record belongs to, was refused";
    let doubt = "line 3: nem12.coverage: its 400 record at line 5 was refused, so its qualities are in doubt";
    check(
        &format!("{head}400,1,20,A,,\n900"),
        &[
            "line 3: nem12.coverage: quality V, but its 400 records give a quality to 20 of 48 intervals; the first without is 21",
            &format!("line 4: {orphan}"),
        ],
    );
    for (event, told) in [
        ("400,20,48,A,,", "nem12.coverage: intervals 20 to 48 have a quality from another 400 record already"),
        ("400,21,49,A,,", "nem12.coverage: intervals \"21\" to \"49\" of a day that has 1 to 48"),
        ("400,0,48,A,,", "nem12.coverage: intervals \"0\" to \"48\" of a day that has 1 to 48"),
        ("400,48,21,A,,", "nem12.coverage: intervals 48 to 21 run backwards"),
        ("400,21,48,V,,", "nem12.quality: quality V in a 400 record, which is there to resolve it"),
        ("400,21,48,,,", "nem12.quality: the quality method is blank"),
    ] {
        check(
            &format!("{head}400,1,20,A,,\n{event}\n900"),
            &[&format!("line 5: {told}"), doubt, &format!("line 4: {orphan}")],
        );
    }
}

#[test]
fn a_day_of_the_wrong_length_is_refused_and_the_next_one_read() {
    check(
        "100,NEM12,202403021200,MDP,RET
200,NMI1,E1,,E1,,,kWh,30,
300,20240301,1*96,A,,,,
300,20240302,1*24,A,,,,
400,1,24,A,,
300,20240303,
300,20240304,1*48,A,,,,
900",
        &[
            "line 3: nem12.interval_count: a day of 96 values, but the 200 record at line 2 says 30 minutes, which makes 48",
            "line 4: nem12.interval_count: a day of 24 values, but the 200 record at line 2 says 30 minutes, which makes 48",
            "line 5: nem12.orphan: the 300 record at line 4, which this 400 record belongs to, was refused",
            "line 6: nem12.interval_count: a day of 1 values, but the 200 record at line 2 says 30 minutes, which makes 48",
            "NMI1 E1 2024-03-03T14:00:00Z 30m x48 1 kWh A 2024-03-02T02:00:00Z",
        ],
    );
}

#[test]
fn what_is_wrong_with_a_day_is_said() {
    for (day, told) in [
        ("20240301,1*9,NaN,1*38,A,,,,", "nem12.value: interval 10: not a finite number"),
        ("20240301,1*9,-inf,1*38,A,,,,", "nem12.value: interval 10: not a finite number"),
        ("20240301,1*9,1.2.3,1*38,A,,,,", "nem12.value: interval 10: \"1.2.3\" is not a number"),
        (
            "20240301,12345678901234567890,1*47,A,,,,",
            "nem12.value: interval 1: \"12345678901234567890\" has more digits than fit (18 after the point, 19 in all)",
        ),
        (
            "20000101,1*48,A,,,,",
            "nem12.date: interval date \"20000101\" lies outside 2001 to 2098: check the clock it was made with",
        ),
        (
            "20990101,1*48,A,,,,",
            "nem12.date: interval date \"20990101\" lies outside 2001 to 2098: check the clock it was made with",
        ),
        ("20240230,1*48,A,,,,", "nem12.date: interval date \"20240230\" is not a time of the calendar"),
        ("2024030,1*48,A,,,,", "nem12.date: interval date \"2024030\" is not a date such as 20040417"),
        ("20240301,1*48,X,,,,", "nem12.quality: quality method \"X\" is none of A, S, F, E, N or V with two digits"),
        ("20240301,1*48,,,,,", "nem12.quality: the quality method is blank"),
        ("20240301,1*48", "nem12.quality: the record ends after 48 values, without a quality method"),
        ("20240301,1*48,A,,,2024,", "nem12.date: update time \"2024\" is not a time such as 20040417093000"),
        ("20240301,1*48,A,,,,,x", "nem12.field_count: more than the 55 fields this record has: \"x\" is left over"),
    ] {
        let file = format!("100,NEM12,202403021200,MDP,RET\n200,NMI1,E1,,E1,,,kWh,30,\n300,{day}\n900\n");
        check(&file, &[&format!("line 3: {told}")]);
    }
}

#[test]
fn a_refused_stream_takes_its_days_with_it_and_no_other() {
    for (details, told) in [
        (
            "200,NMI1,E1,,E1,,,kWh,60,",
            "nem12.interval_length: interval length \"60\" is none of 5, 10, 15 or 30 minutes",
        ),
        ("200,,E1,,E1,,,kWh,30,", "nem12.name: nmi is blank"),
        ("200,NMI1,E1,,,,,kWh,30,", "nem12.name: nmi suffix is blank"),
        (
            "200,NMI1,E1,,E1,,,kvarh,30,",
            "nem12.unit_mismatch: suffix E1 stands for active energy, but its unit is kvarh",
        ),
        ("2o0,NMI1,E1,,E1,,,kWh,30,", "nem12.unknown_record: \"2o0\" with 10 fields is no record of NEM12"),
        ("100,XMI1,E1,,E1,,,kWh,30,", "nem12.unknown_record: \"100\" with 10 fields is no record of NEM12"),
        ("900,NMI1,E1,,E1,,,kWh,30,", "nem12.unknown_record: \"900\" with 10 fields is no record of NEM12"),
    ] {
        let file = format!(
            "100,NEM12,202403021200,MDP,RET\n200,NMI0,E1,,E1,,,,30,\n{details}
300,20240301,1*48,A,,,,\n200,NMI2,E1,,E1,,,,30,\n300,20240301,2*48,A,,,,\n900\n"
        );
        check(
            &file,
            &[
                &format!("line 3: {told}"),
                "line 4: nem12.orphan: the 200 record at line 3, which this 300 record belongs to, was refused",
                "NMI2 E1 2024-02-29T14:00:00Z 30m x48 2 A 2024-03-02T02:00:00Z",
            ],
        );
    }
}

#[test]
fn a_lost_line_end_never_gives_a_day_to_the_stream_before() {
    for end in [",,,", ",,,20240302101112,20240302101112", ""] {
        let file = format!(
            "100,NEM12,202403021200,MDP,RET\n200,NMI1,E1,,E1,,,,30,
300,20240301,1*48,A{end}200,NMI2,E1,,E1,,,,30,\n300,20240301,2*48,A,,,,\n900\n"
        );
        let found = listing(&file, Limits::default());
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|line| line.starts_with("line ")), "{found:?}");
    }
}

#[test]
fn an_unknown_record_costs_itself_only() {
    check(
        "exported by MDP
100,NEM12,202403021200,MDP,RET
200,NMI1,E1,,E1,,,,30,
# a comment
300,20240301,1*48,A,,,,
600,1,2
250,NMI1
300,20240302,1*48,A,,,,
900",
        &[
            "line 1: nem12.unknown_record: \"exported by MDP\" with 1 fields is no record of NEM12",
            "line 4: nem12.unknown_record: \"# a comment\" with 1 fields is no record of NEM12",
            "NMI1 E1 2024-02-29T14:00:00Z 30m x48 1 A 2024-03-02T02:00:00Z",
            "line 6: nem12.unknown_record: \"600\" with 3 fields is no record of NEM12",
            "line 7: nem12.unknown_record: \"250\" with 2 fields is no record of NEM12",
            "NMI1 E1 2024-03-01T14:00:00Z 30m x48 1 A 2024-03-02T02:00:00Z",
        ],
    );
}

#[test]
fn a_damaged_day_does_not_leave_its_qualities_to_the_day_before() {
    check(
        "100,NEM12,202403021200,MDP,RET
200,NMI1,E1,,E1,,,,30,
300,20240301,1*48,A,,,,
3oo,20240302,1*48,V,,,,
400,1,48,E52,,
900",
        &[
            "NMI1 E1 2024-02-29T14:00:00Z 30m x48 1 A 2024-03-02T02:00:00Z",
            "line 4: nem12.unknown_record: \"3oo\" with 55 fields is no record of NEM12",
            "line 5: nem12.orphan: the 300 record at line 4, which this 400 record belongs to, was refused",
        ],
    );
}

#[test]
fn without_a_header_nothing_is_read() {
    let no_header = |line, record, format| {
        format!(
            "line {line}: {format}.no_header: a {record} record before any 100 header: nothing of this file is read; \
             ask for it again with its header, 100,NEM12 or 100,NEM13"
        )
    };
    let block = "200,NMI1,E1,,E1,,,,30,\n300,20240301,1*48,A,,,,\n900\n";
    check(&format!("\n{block}100,NEM12,202403021200,,\n{block}"), &[&no_header(2, 200, "nem12")]);
    check("250,NMI1,11,1,11", &[&no_header(1, 250, "nem13")]);
    check("900", &[&no_header(1, 900, "nem12")]);
    check("", &["the whole source: nem12.empty: the file holds no record"]);
    check(
        "100,NEM14,202403021200,MDP,RET\n200,NMI1,E1,,E1,,,,30,\n300,20240301,1*48,A,,,,\n900",
        &[
            "line 1: nem12.version: version \"NEM14\" is neither NEM12 nor NEM13; nothing is read up to the next 100 record",
        ],
    );
}

#[test]
fn several_files_in_one_are_read_and_a_headerless_one_among_them_is_not() {
    let block = "200,NMI1,E1,,E1,,,,30,\n300,20240301,1*48,A,,,,\n900";
    let read = |time| format!("NMI1 E1 2024-02-29T14:00:00Z 30m x48 1 A 2024-03-0{time}T02:00:00Z");
    check(
        &format!("100,NEM12,202403021200,,\n{block}100,NEM12,202403031200,,\n{block}\n\n{block}\n"),
        &[
            &read(2),
            &read(3),
            "line 9: nem12.no_header: a 200 record after the 900 record at line 7, without a 100 record of its own",
            "line 10: nem12.no_header: a 300 record after the 900 record at line 7, without a 100 record of its own",
        ],
    );
}

#[test]
fn a_file_cut_short_says_so() {
    check(
        "100,NEM12,202403021200,,\n200,NMI1,E1,,E1,,,,30,\n300,20240301,1*48,A,,,,\n300,20240302,1*20,0.",
        &[
            "NMI1 E1 2024-02-29T14:00:00Z 30m x48 1 A 2024-03-02T02:00:00Z",
            "line 4: nem12.interval_count: a day of 21 values, but the 200 record at line 2 says 30 minutes, which makes 48",
            "line 4: nem12.no_end: the file ends without a 900 record: it may be cut short; compare it with the sender's",
        ],
    );
}

#[test]
fn a_transaction_is_an_event_and_its_index_a_register_read() {
    check(
        "100,NEM12,202403021200,,
200,NMI1,E1,77,E1,,M7,kWh,30,
500,N,,,
300,20240301,1*48,A,,,,
500,O,S01009,20240301053000,001123.50
500,E,,,
900",
        &[
            "line 3: nem12.date: no read time, and no day before it to stand for one",
            "NMI1 M7 E1 2024-02-29T14:00:00Z 30m x48 1 kWh A 2024-03-02T02:00:00Z",
            "nem12.500 NMI1 E1 0m 2024-02-29T19:30:00Z \"service order S01009, index read 001123.50\" O",
            "NMI1 M7 E1 2024-02-29T19:30:00Z register 1123.50 kWh 2024-03-02T02:00:00Z",
            "nem12.500 NMI1 E1 0m 2024-02-29T14:00:00Z \"\" E",
        ],
    );
}

#[test]
fn a_blank_value_is_absent_not_zero() {
    check(
        "100,NEM12,202403021200,,\n200,NMI1,E1,,E1,,,,30,\n300,20240301,1*46,,1,N,78,,,\n900",
        &[
            "NMI1 E1 2024-02-29T14:00:00Z 30m x46 1 N 78 2024-03-02T02:00:00Z",
            "nem12.null NMI1 E1 30m 2024-03-01T13:00:00Z \"no value given\" N",
            "NMI1 E1 2024-03-01T13:30:00Z 30m 1 N 78 2024-03-02T02:00:00Z",
        ],
    );
}

#[test]
fn bent_files_are_read() {
    let plain =
        listing("100,NEM12,202403021200,,\n200,N,E1,,E1,,,,30,\n300,20240301,1*48,A,,,,\n900\n", Limits::default());
    for bent in [
        "\u{feff}100,NEM12,202403021200,,\r\n200,N,E1,,E1,,,,30,\r\n300,20240301,1*48,A,,,,\r\n900\r\n\r\n",
        "100,nem12,202403021200,,\r200,N,E1,,E1,,,,30,\r300,20240301,1*48,A,,,,\r900\r",
        "\n\n100,NEM12,202403021200,,,,,,\n\n200,N,E1,,E1,,,,30,,,,,\n300,20240301,1*48,A,,,,,,\n900,,,\n,,,\n",
        " 100 , NEM12 , 202403021200\n 200,N ,E1,, E1,,,,30\n300, 20240301 , 1*48, A\n900 ",
        "\"100\",\"NEM12\",\"202403021200\"\n\"200\",\"N\",\"E1\",,\"E1\",,,,\"30\",\n300,20240301,\"1\"*48,\"A\",,,,\n\"900\"",
    ] {
        assert_eq!(listing(bent, Limits::default()), plain, "{bent:?}");
    }
}

#[test]
fn an_update_time_ahead_of_the_clock_is_refused() {
    let file = "100,NEM12,202403021200,,\n200,N,E1,,E1,,,,30,\n300,20240301,1*48,A,,,20250302101112,\n900\n";
    let received_at = Timestamp::parse("2024-03-05T00:00:00Z").expect("valid");
    let found = listing(file, Limits::received_at(received_at));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("line 3: nem12.date: update time 2025-03-02T00:11:12Z lies more than a day"),
        "{found:?}"
    );
    assert_eq!(listing(file, Limits::default()).len(), 1);
}

#[test]
fn a_line_too_long_is_refused_without_costing_the_next_stream() {
    let long = "9".repeat(LINE_BYTES_MAX);
    check(
        &format!(
            "100,NEM12,202403021200,,\n200,N,E1,,E1,,,,30,\n300,20240301,{long}\n400,1,48,A,,\n200,M,E1,,E1,,,,30,\n300,20240301,1*48,A,,,,\n900\n"
        ),
        &[
            "line 3: nem12.line_too_long: a line of more than 65536 bytes",
            "line 4: nem12.orphan: a 400 record with no 300 record before it",
            "M E1 2024-02-29T14:00:00Z 30m x48 1 A 2024-03-02T02:00:00Z",
        ],
    );
}

#[test]
fn a_250_record_is_two_register_reads_and_the_consumption_between() {
    check(
        "100,NEM13,200401101030,MDA1,Ret1
250,NMI1,11,1,11,11,M7,E,006342.8,20031005093055,A,,,007654.9,20040107100333,E62,77,Locked gate,1312.1,kWh,20040407, 20040108100333,
550,N,,A,S09
900",
        &[
            "NMI1 M7 11 2003-10-04T23:30:55Z register 6342.8 kWh A 2004-01-08T00:03:33Z",
            "NMI1 M7 11 2004-01-07T00:03:33Z register 7654.9 kWh E62 77 2004-01-08T00:03:33Z",
            "NMI1 M7 11 2003-10-04T23:30:55Z 135392m 1312.1 kWh E62 77 2004-01-08T00:03:33Z",
            "nem13.reason NMI1 11 0m 2004-01-07T00:03:33Z \"Locked gate\" 77",
            "nem13.550 NMI1 11 0m 2003-10-04T23:30:55Z \"\" N",
            "nem13.550 NMI1 11 0m 2004-01-07T00:03:33Z \"service order S09\" A",
        ],
    );
}

#[test]
fn what_is_wrong_with_a_register_read_is_said() {
    for (fields, told) in [
        (
            "E,1,20031005093055,A,,,2,20031005093055,A,,,1,kWh,,,",
            "nem13.date: the current read at 2003-10-04T23:30:55Z is not later than the previous at 2003-10-04T23:30:55Z",
        ),
        ("E,1,,A,,,2,20031005093055,A,,,1,kWh,,,", "nem13.date: the previous register read has no time"),
        (
            "E,x,20031005093055,A,,,2,20041005093055,A,,,1,kWh,,,",
            "nem13.value: previous register read: \"x\" is not a number",
        ),
        (
            "E,1,20031005093055,A,,,2,20041005093055,V,,,1,kWh,,,",
            "nem13.quality: quality V, which only days of intervals can have",
        ),
        ("E,1,20031005093055,A,,,2,20041005093055,,,,1,kWh,,,", "nem13.quality: the quality method is blank"),
        (
            "X,1,20031005093055,A,,,2,20041005093055,A,,,1,kWh,,,",
            "nem13.direction: direction indicator \"X\" is neither E nor I",
        ),
        ("E,,,,,,,,,,,,kWh,,,", "nem13.value: neither a register read nor a quantity is given"),
    ] {
        let file = format!("100,NEM13,200501101030,,\n250,NMI1,11,1,11,11,M7,{fields}\n550,N,,A,\n900\n");
        check(
            &file,
            &[
                &format!("line 2: {told}"),
                "line 3: nem13.orphan: the 250 record at line 2, which this 550 record belongs to, was refused",
            ],
        );
    }
}

#[test]
fn a_first_read_has_no_previous_one() {
    check(
        "100,NEM13,200501101030,,\n250,NMI1,11,1,11,11,M7,E,,,,,,2,20041005093055,A,,,,kWh,,,\n900\n",
        &["NMI1 M7 11 2004-10-04T23:30:55Z register 2 kWh A 2005-01-10T00:30:00Z"],
    );
}
