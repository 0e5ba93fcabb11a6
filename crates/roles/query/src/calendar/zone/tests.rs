//! The clock against a conversion of each instant by itself.

use jiff::tz::TimeZoneDatabase;
use proptest::prelude::*;

use super::*;
use crate::calendar::{HOUR, MINUTE};

/// Half an hour, a quarter past, negative summer time, a day left out, Ramadan,
/// changes before and just behind midnight, and none.
pub(in crate::calendar) const PLACES: [&str; 14] = [
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Europe/Dublin",
    "Pacific/Apia",
    "Africa/Casablanca",
    "America/Nuuk",
    "America/St_Johns",
    "America/Chicago",
    "Europe/Berlin",
    "America/Havana",
    "Pacific/Kwajalein",
    "Asia/Kathmandu",
    "Antarctica/Troll",
    "UTC",
];

pub(in crate::calendar) fn jiff_zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).expect("a place")
}

/// What jiff says of one instant: the day, counted from 1970, and the wall.
pub(in crate::calendar) fn asked(zone: &TimeZone, at: i64) -> (i64, i64) {
    let at = jiff::Timestamp::from_microsecond(at).expect("in range");
    let civil = zone.to_datetime(at);
    let wall = Offset::UTC.to_timestamp(civil).expect("in range").as_microsecond();
    (wall.div_euclid(DAY), wall)
}

/// An instant around one of the changes of a place.
pub(in crate::calendar) fn near_a_change() -> impl Strategy<Value = (&'static str, i64)> {
    let place = proptest::sample::select(&PLACES[..]);
    (place, any::<prop::sample::Index>(), -50 * HOUR..50 * HOUR, any::<bool>()).prop_map(|(name, index, by, whole)| {
        let zone = Zone::named(name).expect("a place");
        let change = &zone.changes[index.index(zone.changes.len())];
        let by = if whole { by / (30 * MINUTE) * 30 * MINUTE } else { by };
        let at = change.from.max(Timestamp::MIN.0 + 4 * DAY) + by;
        (name, at.min(Timestamp::MAX.0 - 4 * DAY))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_day_is_the_one_each_instant_has_by_itself((name, at) in near_a_change()) {
        let (zone, theirs) = (Zone::named(name).expect("a place"), jiff_zone(name));
        let (part, day) = zone.day(at);
        prop_assert_eq!(day, asked(&theirs, at).0);
        prop_assert!(part.from <= at && at < part.before);
        // And so all through the time in which it is said to hold.
        for at in [part.from.max(Timestamp::MIN.0), part.before.min(Timestamp::MAX.0) - 1] {
            prop_assert_eq!(asked(&theirs, at), (day, at + part.offset));
        }
    }

    #[test]
    fn the_instants_of_a_whole_day_are_those_of_that_day((name, at) in near_a_change(), by in -80 * HOUR..80 * HOUR) {
        let (zone, theirs) = (Zone::named(name).expect("a place"), jiff_zone(name));
        let (_, day) = zone.day(at);
        if let Some((from, before)) = zone.whole_day(day) {
            for at in [at + by, from, from - 1, before, before - 1] {
                let is = asked(&theirs, at.clamp(Timestamp::MIN.0, Timestamp::MAX.0)).0;
                prop_assert_eq!((is < day, is > day), (at < from, at >= before), "{}", at);
            }
        }
    }

    #[test]
    fn no_name_of_a_place_ends_in_a_panic(name in ".{0,40}", sign in "[+-][0-9:]{0,8}") {
        let _ = (Zone::named(&name), Zone::named(&sign));
    }
}

fn refused(name: &str) -> String {
    Zone::named(name).expect_err("no place").to_string()
}

#[test]
fn an_unknown_place_is_named() {
    assert!(refused("Europe/Atlantis").contains("\"Europe/Atlantis\""));
    for name in ["", " ", "+1", "+24:00", "-10:60", "+10:00:00", "Etc/Unknown", "CEST", "../etc/passwd", "\0"] {
        assert!(refused(name).contains("none of UTC"), "{name}");
    }
    assert!(refused(&"x".repeat(1 << 20)).len() < 200);
}

#[test]
fn an_offset_holds_always() {
    for (name, hours) in [("+10:00", 10), ("-03:00", -3), ("+00:00", 0), ("UTC", 0), ("-23:00", -23)] {
        let zone = Zone::named(name).expect("an offset");
        assert_eq!(zone.stretch(0), Stretch { from: i64::MIN, before: i64::MAX, offset: hours * HOUR }, "{name}");
    }
}

#[test]
fn a_day_left_out_is_empty_and_one_begun_twice_is_not_whole() {
    let day = |text: &str| {
        jiff::civil::Date::constant(1970, 1, 1)
            .until(text.parse::<jiff::civil::Date>().expect("a date"))
            .expect("near")
            .get_days()
    };
    let apia = Zone::named("Pacific/Apia").expect("a place");
    let (from, before) = apia.whole_day(day("2011-12-30").into()).expect("whole");
    assert_eq!((from, before - from), (1_325_239_200_000_000, 0));
    // One minute past midnight clocks went back to one past eleven.
    let st_johns = Zone::named("America/St_Johns").expect("a place");
    assert_eq!(st_johns.whole_day(day("2006-10-29").into()), None);
    assert_eq!(st_johns.whole_day(day("2006-10-28").into()), None);
    let lengths = [("Europe/Dublin", "2024-03-31", 23), ("Europe/Dublin", "2024-10-27", 25), ("UTC", "2024-10-27", 24)];
    for (name, text, hours) in lengths {
        let (from, before) = Zone::named(name).expect("a place").whole_day(day(text).into()).expect("whole");
        assert_eq!(before - from, hours * HOUR, "{name} {text}");
    }
    for day in [i64::MIN, i64::MAX, i64::MAX / DAY, -30_000, 100_000] {
        assert_eq!(apia.whole_day(day), None);
    }
}
