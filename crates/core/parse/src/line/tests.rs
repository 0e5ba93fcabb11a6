//! What lines say, and what is read of them.

use std::collections::HashMap;

use meter::{Event, Identity, Reading, Refusal, Sink, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::Format;

/// One line for each reading, event and refusal.
#[derive(Default)]
struct Listing {
    said: Vec<String>,
    /// Which channel each reading is of.
    channels: Vec<String>,
    counts: [usize; 3],
}

impl Sink for Listing {
    fn reading(&mut self, r: Reading<'_>) {
        let kind = r.reading_type;
        let device = if r.identity == Identity::Device { format!("{}!", r.device) } else { r.device.into() };
        let minutes = r.span.0 / 60_000_000;
        let span = if minutes > 0 { format!(" {minutes}m") } else { String::new() };
        let meaning = [kind.commodity.word(), kind.flow.word(), kind.phase.word()].join(" ");
        let meaning = meaning.replace("unknown", "").replace("none", "").replace("all", "");
        let said = [r.unit, r.quality, r.reason, meaning.trim()].join(" ");
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let names = format!("{}|{device}|{}", r.point, r.register);
        self.said.push(format!("{names} {} {}{span} {} {said}", kind.kind, r.start, r.value).trim_end().into());
        self.channels.push(format!("{names} {}", kind.kind));
        self.counts[0] += 1;
        assert_eq!(kind.unit, meter::Unit::from_spelling(r.unit));
    }

    fn event(&mut self, e: Event<'_>) {
        self.said.push(format!(
            "{} {} {}|{}|{} {} {:?}{:?}",
            e.place, e.kind, e.point, e.device, e.register, e.at, e.code, e.text
        ));
        self.counts[1] += 1;
    }

    fn refused(&mut self, r: Refusal<'_>) {
        assert!(r.excerpt.len() <= Refusal::EXCERPT_BYTES_MAX && r.reason.len() < 600, "{}", r.reason);
        self.said.push(format!("{}: {}: {}", r.place, r.code, r.reason));
        self.counts[2] += 1;
    }
}

/// 2026-05-03T03:10:00Z
const NOON: &str = "1777777800000000000";

fn read(name: &str, body: &[u8]) -> Listing {
    let mut listing = Listing::default();
    let format = Format::named(name).expect("a format");
    let limits = Limits::received_at(Timestamp(1_777_777_800_000_000));
    crate::read(format, body, limits, &mut listing).expect("memory never fails");
    listing
}

fn check(name: &str, body: &str, expected: &str) {
    let body = body.replace("NOON", NOON);
    assert_eq!(read(name, body.as_bytes()).said.join("\n"), expected.replace('@', "2026-05-03T03:10:00Z"), "{body}");
}

#[test]
fn telegraf_s_lines_are_read() {
    check(
        "line",
        "# HELP a comment\n\n  energy,host=gw1,meter=M1 import_kwh=19.150,voltage_v=230i,relay=true,state=\"on, \\\"ok\\\"\" NOON\r\n\
         cpu,host=gw1 usage_idle=98.5 NOON\n",
        "M1||energy/import_kwh register @ 19.150 kWh\nM1||energy/voltage_v spot @ 230 V\n\
         line 3 line.boolean M1||energy/relay @ \"true\"\"\"\nline 3 line.text M1||energy/state @ \"\"\"on, \\\"ok\\\"\"\n\
         gw1||cpu/usage_idle spot @ 98.5",
    );
}

#[test]
fn tags_say_what_is_measured() {
    check(
        "line",
        "power,point=P,device=D,unit=kW,flow=received,phase=l2,commodity=electricity,quality=estimated,reason=75 value=1.5 NOON\n\
         water,point=P,register=8-0:1.0.0,unit=m3,kind=Register value=7u NOON\n\
         water,point=P,kind=spot level_l=7 NOON\n",
        "P|D!|power,commodity=electricity,flow=received,phase=l2 spot @ 1.5 kW estimated 75 electricity received L2\n\
         P||8-0:1.0.0 register @ 7 m3\nP||water/level_l spot @ 7 l",
    );
}

#[test]
fn no_two_series_become_one() {
    check(
        "line",
        "a,point=P value=1 NOON\nb,point=P value=1 NOON\na,point=P,tariff=1 value=1 NOON\na,point=P x=1 NOON\n\
         a/x,point=P value=1 NOON\na\\,tariff=1,point=P value=1 NOON\na,point=P x\\,tariff\\=1=1 NOON\n",
        "P||a spot @ 1\nP||b spot @ 1\nP||a,tariff=1 spot @ 1\nP||a/x spot @ 1\nP||a\\/x spot @ 1\n\
         P||a\\,tariff\\=1 spot @ 1\nP||a/x\\,tariff\\=1 spot @ 1",
    );
}

#[test]
fn options_say_what_lines_do_not() {
    check("line?precision=s&unit=kWh", "e,meter=M total=1 1777777800", "M||e/total register @ 1 kWh");
    for (precision, time) in [("us", "1777777800000000"), ("ms", "1777777800000"), ("m", "29629630"), ("h", "493827")] {
        let said = read(&format!("line?precision={precision}"), format!("e,meter=M v=1 {time}").as_bytes()).said;
        let at = if precision == "h" { "2026-05-03T03:00:00Z" } else { "2026-05-03T03:10:00Z" };
        assert_eq!(said, [format!("M||e/v spot {at} 1")]);
    }
    check("line?point=home", "e,meter=M v=1 NOON", "home||e/v,meter=M spot @ 1");
    check("line?point_tag=serial&ignore=topic,site", "e,serial=S,topic=t,site=x v=1 NOON", "S||e/v spot @ 1");
    check("line?device_tag=plug", "e,point=P,plug=7 v=1 NOON", "P|7!|e/v spot @ 1");
    check(
        "line?kind=interval&interval=10m&stamps=end&flow=delivered&commodity=gas",
        "e,point=P kwh=1 NOON",
        "P||e/kwh interval 2026-05-03T03:00:00Z 10m 1 kWh gas delivered",
    );
    for (name, words) in [
        ("line?precision=minutes", "precision \"minutes\": is none of ns, us, ms, s, m and h"),
        ("line?zone=UTC", "\"zone=UTC\" is no option of it; precision, point, point_tag, device_tag, ignore, unit"),
        ("line?kind=interval", "kind \"interval\": needs its length: add interval=15m"),
        ("line?kind=total", "is none of interval, register and spot"),
        ("line?interval=1d", "is no length such as 15m, 1h or 24h"),
        ("line?flow=import", "is none of delivered, received, net and none"),
        ("lines", "is not known"),
    ] {
        let error = Format::named(name).expect_err("wrong").to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_line_without_a_time_has_that_of_arrival() {
    check("line", "e,meter=M v=1\ne,meter=M v=2  ", "M||e/v spot @ 1\nM||e/v spot @ 2");
    let mut listing = Listing::default();
    line(&Mapping::default(), &b"e,meter=M v=1"[..], Limits::default(), &mut listing).expect("memory never fails");
    assert_eq!(listing.said, ["line 1: line.no_time: no time stands at the end of the line"]);
}

#[test]
fn a_bad_line_costs_itself_and_is_named_with_its_column() {
    let points = "point, meter, meter_id, device_id, host";
    let unit = "in ns; precision=s in the format's name says another unit";
    for (line, words) in [
        (
            "e v=1 NOON",
            format!(
                "no_point: no tag names the point: {points} would; point_tag=NAME in the format's name says another"
            ),
        ),
        (",meter=M v=1", "syntax: column 1: no measurement stands before the tags".into()),
        ("e,meter=M", "syntax: column 10: the line ends before its fields: `name,tag=value field=1 time`".into()),
        ("e,meter v=1", "syntax: column 3: a tag is name=value; \"meter\" is not".into()),
        ("e,meter= v=1", "syntax: column 9: tag \"meter\" has no value".into()),
        ("e,meter=a=b v=1", "syntax: column 10: an equals sign in the value of tag \"meter\"; write \\=".into()),
        ("é,meter=M,meter=N v=1", "repeated_tag: column 11: tag \"meter\" stands there twice".into()),
        ("e,meter=M v", "syntax: column 11: a field is name=value; \"v\" is not".into()),
        ("e,meter=M v=", "syntax: column 13: field \"v\" has no value".into()),
        ("e,meter=M v=\"x", "syntax: column 15: the text of field \"v\" does not end on its line".into()),
        ("e,meter=M v=\"x\"y", "syntax: column 16: a comma or a blank is missing behind a text".into()),
        ("e,meter=M v=1 now", "time: column 15: \"now\" is no time: a whole number is".into()),
        ("e,meter=M v=1 1 2", "time: column 15: \"1 2\" is no time: a whole number is".into()),
        (
            "e,meter=M v=1 1777777800",
            format!(
                "time: column 15: 1970-01-01T00:00:01.777777Z is where a clock starts that was never set, if 1777777800 counts {unit}"
            ),
        ),
        (
            "e,meter=M v=1 9223372036854775807",
            format!("time: column 15: 9223372036854775807 lies outside the years 1900 to 2200 if it counts {unit}"),
        ),
        (
            "e,meter=M v=1 1777778100000001000",
            "time: column 15: 2026-05-03T03:15:00.000001Z lies after the body came in, at 2026-05-03T03:15:00Z".into(),
        ),
        (
            "e,meter=M,kind=total v=1 NOON",
            "kind: column 11: kind \"total\" is none of interval, register and spot".into(),
        ),
        (
            "e,meter=M,kind=interval v=1 NOON",
            "interval: column 11: an interval, and nothing says how long it is; add interval=15m to the format's name"
                .into(),
        ),
        ("e,meter=M\u{7f} v=1 NOON", "text: point \"M\\u{7f}\" has a control character".into()),
    ] {
        check("line", &format!("{line}\nok,meter=M v=1 NOON"), &format!("line 1: line.{words}\nM||ok/v spot @ 1"));
    }
    let outside =
        "line 1: line.time: column 13: 1777777800000000000 lies outside the years 1900 to 2200 if it counts in s";
    assert!(
        read("line?precision=s", format!("e,meter=M v={NOON} {NOON}").as_bytes()).said[0]
            .starts_with("line 1: line.time"),
        "{outside}"
    );
    assert_eq!(read("line", b"e,meter=\xff v=1").said, ["line 1: line.utf8: column 9: the line is not UTF-8"]);
}

#[test]
fn a_bad_field_costs_itself() {
    for (field, words) in [
        ("x=NaN", "value: column 13: field \"x\": not a finite number"),
        ("x=1,5", "syntax: column 17: a field is name=value; \"5\" is not"),
        ("x=on", "value: column 13: field \"x\": \"on\" is not a number; a text stands in double quotes"),
        ("x=4.2i", "value: column 13: field \"x\": \"4.2i\" is no whole number"),
        ("x=-1u", "value: column 13: field \"x\": \"-1u\" is not a number; a text stands in double quotes"),
        (
            "x=18446744073709551615u",
            "value: column 13: field \"x\": \"18446744073709551615\" has more digits than fit (18 after the point, 19 in all)",
        ),
        (
            "x=\"230.4\"",
            "quoted_number: column 13: field \"x\": the number \"230.4\" stands in quotes, which make it a text; write it without",
        ),
        ("x_kwh=1", "unit: column 13: field \"x_kwh\": the tag says that its unit is \"V\", and its name says kWh"),
        ("v=2", "repeated_field: column 13: field \"v\" stands there twice; the first was kept"),
    ] {
        let said = read("line", format!("e,point=P,unit=V v=1,{field} {NOON}").as_bytes()).said;
        let words = words.replace("column 13", "column 22").replace("column 17", "column 26");
        assert_eq!(said.last().map(String::as_str), Some(&*format!("line 1: line.{words}")));
        assert_eq!(said.len() == 2, !words.starts_with("syntax"), "{said:?}");
    }
    let long = format!("e,meter=M {}=1 {NOON}", "x".repeat(255));
    assert_eq!(
        read("line", long.as_bytes()).said,
        [format!(
            "line 1: line.text: column 11: field {:?}: register of 257 bytes; at most 256 are kept",
            "x".repeat(40)
        )]
    );
}

#[test]
fn lines_and_lists_without_end_are_bounded() {
    let long = format!("e,meter=M v={}\ne,meter=M v=1", "1".repeat(LINE_BYTES_MAX));
    check(
        "line",
        &long,
        "line 1: line.line_too_long: the line is longer than the 65536 bytes that are read\nM||e/v spot @ 1",
    );
    let fields: Vec<_> = (0..=FIELDS_MAX).map(|field| format!("f{field}=1")).collect();
    let said = read("line", format!("e,meter=M {}", fields.join(",")).as_bytes()).said;
    assert!(said[0].contains("line.too_many") && said[0].contains("more than 1024 fields") && said.len() == 1);
    let tags: Vec<_> = (0..=TAGS_MAX).map(|tag| format!("t{tag}=1")).collect();
    let said = read("line", format!("e,{} v=1", tags.join(",")).as_bytes()).said;
    assert!(said[0].contains("line.too_many") && said[0].contains("more than 128 tags") && said.len() == 1);
}

#[test]
fn units_stand_at_the_end_of_names() {
    for (line, unit) in [
        ("e,meter=M import_kWh=1", "kWh"),
        ("e,meter=M kwh=1", "kWh"),
        ("e,meter=M kwhs=1", ""),
        ("e,meter=M a=1", ""),
        ("e,meter=M current_a=1", "A"),
        ("e,meter=M power_phase_a=1", ""),
        ("e,meter=M flow_m3_h=1", "m3/h"),
        ("energy_wh,meter=M value=1", "Wh"),
        ("energy_wh,meter=M total=1", ""),
        ("e,meter=M,unit=furlong value=1", "furlong"),
        ("e,meter=M,unit=KWH total_kwh=1", "KWH"),
    ] {
        let said = read("line", format!("{line} {NOON}").as_bytes()).said;
        assert!(said[0].ends_with(&format!(" 1 {unit}")) || (unit.is_empty() && said[0].ends_with(" 1")), "{said:?}");
    }
}

#[test]
fn only_what_is_without_doubt_is_recognised() {
    let line = Ok(Format::Line(Mapping::default()));
    let detect = |text: &str| Format::detect(text.replace("NOON", NOON).as_bytes());
    assert_eq!(detect("# comment\ne,meter=M kwh=1.5,s=\"x\" NOON\n"), line);
    assert_eq!(detect(&format!("e,meter=M kwh=1.5 NOON\n{}", "x".repeat(5_000))), line);
    for text in [
        "e,meter=M kwh=1.5",
        "e,meter=M kwh=1.5 1777777800",
        "e kwh=1.5 NOON",
        "e,meter=M state=\"on\" NOON",
        "e,meter=M kwh=on NOON",
        "a, b = c d\n",
        &format!("e,meter=M {} NOON", "x".repeat(5_000)),
    ] {
        assert!(detect(text).is_err(), "{text}");
    }
}

/// A name of any characters that InfluxDB can write.
fn name() -> impl Strategy<Value = String> {
    "[a-zA-Zé,= /\"\\\\]{0,6}[a-z]"
}

fn escaped(text: &str, marks: &str) -> String {
    text.chars().map(|c| if marks.contains(c) { format!("\\{c}") } else { c.to_string() }).collect()
}

proptest! {
    #[test]
    fn what_is_escaped_reads_back(measurement in "[a-z]", point in name(), tag in name(), field in name(), text in "[^\\x00-\\x1f\\x7f]{0,12}") {
        // A backslash before a mark cannot be told from an escape: no writer has a way to say it.
        let is_sayable = |text: &String| !["\\,", "\\=", "\\ "].iter().any(|pair| text.contains(pair));
        prop_assume!([&point, &tag, &field].into_iter().all(is_sayable));
        let [p, t, f] = [&point, &tag, &field].map(|text| escaped(text, ",= "));
        let body = format!("{measurement},point={p},tag={t} {f}=1,x{f}=\"{}\" {NOON}", escaped(&text, "\"\\"));
        let parts = Parts::read(body.as_bytes());
        let parts = parts.map_err(|fault| TestCaseError::fail(format!("{fault:?} {body}")))?;
        prop_assert_eq!((parts.tag("point"), parts.tag("tag")), (Some(&*point), Some(&*tag)));
        prop_assert_eq!(&*parts.fields[0].key, &*field);
        prop_assert_eq!(&parts.fields[1].value, &parts::Raw::Text(text.into()));
    }

    #[test]
    fn a_number_keeps_every_digit(value: i64, scale in 0_u8..=18) {
        let number = meter::Decimal::new(value, scale).to_string();
        let said = read("line", format!("e,meter=M x={number} {NOON}").as_bytes()).said;
        prop_assert_eq!(&said, &[format!("M||e/x spot 2026-05-03T03:10:00Z {number}")]);
    }

    #[test]
    fn two_series_are_two_channels(
        series in vec((select(&["a", "a/b", "b", "a,t=x"][..]), select(&["value", "b", "a/b", "b,t=x"][..]), vec((select(&["t", "u", "meter", "device"][..]), select(&["x", "y", "x,u=y"][..])), 0..3)), 2),
    ) {
        let spelled = series.iter().map(|(measurement, field, tags)| {
            let mut tags = tags.clone();
            tags.sort_unstable();
            tags.dedup_by_key(|tag| tag.0);
            let tags: String = tags.iter().map(|(key, value)| format!(",{key}={}", escaped(value, ",= "))).collect();
            format!("{},point=P{tags} {}=1 {NOON}", escaped(measurement, ", "), escaped(field, ",= "))
        });
        let spelled: Vec<_> = spelled.collect();
        let listing = read("line", spelled.join("\n").as_bytes());
        prop_assume!(listing.counts[2] == 0);
        prop_assert_eq!(spelled[0] == spelled[1], listing.channels[0] == listing.channels[1], "{:?}", listing.said);
    }

    #[test]
    fn every_field_is_read_told_or_refused(values in vec("[-+0-9.eEiutfNa]{1,6}|\"[a-z0-9 ,]{0,5}\"", 1..8)) {
        let fields: Vec<_> = values.iter().enumerate().map(|(place, value)| format!("f{place}={value}")).collect();
        let line = format!("e,meter=M {} {NOON}", fields.join(","));
        let listing = read("line", format!("{line}\n{line}").as_bytes());
        let total: usize = listing.counts.iter().sum();
        let is_whole = Parts::read(line.as_bytes()).is_ok();
        prop_assert_eq!(total, if is_whole { 2 * values.len() } else { 2 }, "{:?}", listing.said);
    }

    #[test]
    fn no_bytes_make_it_panic_and_each_line_stands_alone(
        bytes in vec(any::<u8>(), 0..200), text in vec("[a-c,= \\\\\"#0-9.itu\té-]{0,40}", 0..6), at: prop::sample::Index,
    ) {
        read("line", &bytes);
        Format::detect(&bytes).ok();
        let mut counts = HashMap::new();
        for line in &text {
            *counts.entry(()).or_insert(0) += read("line", line.as_bytes()).said.len();
        }
        let together = read("line", text.join("\n").as_bytes()).said.len();
        prop_assert_eq!(together, counts.get(&()).copied().unwrap_or_default());
        let line = format!("e,meter=M,unit=kWh,t\\ x=\\, a=1,b=\"x\\\"y\",c=t {NOON}");
        let end = at.index(line.len() + 1);
        prop_assert!(end == 0 || !read("line", &line.as_bytes()[..end]).said.is_empty());
    }
}
