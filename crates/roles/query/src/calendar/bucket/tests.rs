//! Buckets against clocks that are asked minute by minute.

use proptest::prelude::*;

use super::*;
use crate::calendar::MINUTE;
use crate::calendar::zone::tests::{PLACES, asked, jiff_zone, near_a_change};

const WIDTHS: [&str; 16] = [
    "1 minute",
    "7 minutes",
    "15 minutes",
    "30 minutes",
    "1 hour",
    "90 minutes",
    "2 hours",
    "5 hours",
    "6 hours",
    "12 hours",
    "1 day",
    "3 days",
    "1 week",
    "1 month",
    "1 quarter",
    "7 years",
];

fn width(text: &str) -> Width {
    Width::parse(text).expect("a width")
}

/// The floor of a wall, reckoned by the calendar and not by arithmetic.
fn floor(width: Width, wall: i64) -> (i64, i64) {
    let civil = Offset::UTC.to_datetime(jiff::Timestamp::from_microsecond(wall).expect("in range"));
    let day = wall.div_euclid(DAY);
    match width {
        Width::Clock(width) => {
            let minutes = i64::from(civil.hour()) * 60 + i64::from(civil.minute());
            (day, minutes / (width / MINUTE))
        }
        Width::Days(days) => (((day - MONDAY) as f64 / days as f64).floor() as i64, 0),
        Width::Months(months) => {
            let month = (f64::from(civil.year()) - 2_000.0) * 12.0 + f64::from(civil.month()) - 1.0;
            ((month / months as f64).floor() as i64, 0)
        }
    }
}

/// What tells the bucket of each of these minutes from the next.
fn labels(place: &str, width: Width, minutes: &[i64]) -> Vec<(i64, i64, i64)> {
    let zone = jiff_zone(place);
    let walls: Vec<i64> = minutes.iter().map(|at| asked(&zone, *at).1).collect();
    let mut labels = Vec::new();
    match width {
        Width::Clock(short) if short <= HOUR => {
            let mut changes = 0;
            for (place, wall) in walls.iter().enumerate() {
                changes += i64::from(place > 0 && wall - walls[place - 1] != MINUTE);
                let (day, part) = floor(width, *wall);
                labels.push((changes, day, part));
            }
        }
        _ => {
            let mut least = i64::MAX;
            for wall in walls.iter().rev() {
                least = least.min(*wall);
                let (day, part) = floor(width, least);
                labels.push((0, day, part));
            }
            labels.reverse();
        }
    }
    labels
}

/// Four days around an instant, from a whole minute.
fn minutes_around(at: i64) -> Vec<i64> {
    let first = (at - 2 * DAY).div_euclid(MINUTE) * MINUTE;
    (0..4 * 24 * 60).map(|minute| first + minute * MINUTE).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_bucket_begins_where_the_clock_says((place, at) in near_a_change(), text in proptest::sample::select(&WIDTHS[..])) {
        // Before, clocks of places differed from UTC by seconds.
        let at = at.max(0);
        let (width, minutes) = (width(text), minutes_around(at));
        let labels = labels(place, width, &minutes);
        let zone = Zone::named(place).expect("a place");
        let mut buckets = Buckets::new(width, &zone);
        // The last day lacks what comes after it.
        for minute in 1..3 * 24 * 60 {
            let begins = labels[minute] != labels[minute - 1];
            let (bucket, before) = (buckets.of(minutes[minute]), buckets.of(minutes[minute - 1]));
            prop_assert_eq!(bucket != before, begins, "{} {}", place, minutes[minute]);
            if begins {
                prop_assert_eq!((bucket.from, before.before), (minutes[minute], minutes[minute]), "{}", place);
            }
        }
    }

    #[test]
    fn buckets_follow_each_other((place, at) in near_a_change(), text in proptest::sample::select(&WIDTHS[..])) {
        let (width, zone) = (width(text), Zone::named(place).expect("a place"));
        let of = |at: i64| Buckets::new(width, &zone).of(at);
        let bucket = of(at);
        prop_assert!(bucket.holds(at), "{:?}", bucket);
        for inside in [bucket.from, bucket.before - 1, at] {
            prop_assert_eq!(of(inside), bucket);
        }
        prop_assert_eq!(of(bucket.before).from, bucket.before);
        prop_assert_eq!(of(bucket.from - 1).before, bucket.from);
        if let Width::Clock(short) = width && short <= HOUR {
            prop_assert!(bucket.before - bucket.from <= short);
        }
    }

    #[test]
    fn there_are_never_more_than_can_be(
        place in proptest::sample::select(&PLACES[..]),
        from in 0..4_000_000_000_i64,
        days in 0..800_i64,
        text in proptest::sample::select(&WIDTHS[2..]),
    ) {
        let (width, zone) = (width(text), Zone::named(place).expect("a place"));
        let (from, before) = (from * 1_000_000, from * 1_000_000 + days * DAY);
        let (mut buckets, mut at, mut count) = (Buckets::new(width, &zone), from, 0);
        while at < before {
            at = buckets.of(at).before;
            count += 1;
        }
        prop_assert!(count <= width.count_max(before - from), "{} of {}", count, width.count_max(before - from));
    }

    #[test]
    fn what_is_remembered_is_what_is_reckoned(instants in proptest::collection::vec(near_a_change(), 1..40), text in proptest::sample::select(&WIDTHS[..])) {
        let (width, zone) = (width(text), Zone::named(instants[0].0).expect("a place"));
        let mut buckets = Buckets::new(width, &zone);
        for (_, at) in instants {
            prop_assert_eq!(buckets.of(at), Buckets::new(width, &zone).of(at));
        }
    }
}

/// The lengths in minutes of the buckets that begin on a day.
fn check(place: &str, text: &str, from: &str, expected: &str) {
    let zone = Zone::named(place).expect("a place");
    let mut buckets = Buckets::new(width(text), &zone);
    let first = from.parse::<jiff::Timestamp>().expect("an instant").as_microsecond();
    let (mut at, mut lengths) = (first, Vec::new());
    while at < first + DAY {
        let bucket = buckets.of(at);
        lengths.push(((bucket.before - bucket.from) / MINUTE).to_string());
        at = bucket.before;
    }
    assert_eq!(lengths.join(" "), expected, "{place} {text}");
}

#[test]
fn days_with_a_change_have_what_the_clock_shows() {
    check("Europe/Dublin", "1 day", "2024-03-31T00:00:00Z", "1380 1440");
    check("Europe/Dublin", "6 hours", "2024-03-31T00:00:00Z", "300 360 360 360 360");
    check("Europe/Dublin", "12 hours", "2024-10-26T23:00:00Z", "780 720");
    check("Australia/Lord_Howe", "1 day", "2024-04-06T13:00:00Z", "1470");
    check("Australia/Lord_Howe", "8 hours", "2024-04-06T13:00:00Z", "510 480 480");
    // Half an hour is shown twice, and has a bucket of its own.
    check("Australia/Lord_Howe", "1 hour", "2024-04-06T13:00:00Z", &format!("60 60 30{}", " 60".repeat(22)));
    check("Pacific/Apia", "1 day", "2011-12-29T10:00:00Z", "1440");
    check("UTC", "7 hours", "2024-01-01T00:00:00Z", "420 420 420 180");
    check("UTC", "1 week", "2024-01-01T00:00:00Z", "10080");
    check("America/St_Johns", "1 day", "2006-10-28T02:30:00Z", "1500");
}

#[test]
fn an_hour_shown_twice_is_two_buckets() {
    for place in PLACES {
        let zone = Zone::named(place).expect("a place");
        let mut buckets = Buckets::new(width("1 hour"), &zone);
        let mut at = buckets.of(1_704_067_200_000_000).from;
        while at < 1_735_689_600_000_000 {
            let bucket = buckets.of(at);
            assert!(bucket.from == at && bucket.before - at <= HOUR, "{place} {at} {bucket:?}");
            at = bucket.before;
        }
    }
}
