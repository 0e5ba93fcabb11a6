//! The town is repeatable, its counters tell the truth, and it looks like a town.

mod files;

use meter::{Flags, Span, Timestamp};
use proptest::prelude::*;

use super::pace::DAY_S;
use super::*;

const DAY: i64 = DAY_S * 1_000_000;
/// 2025-01-01T00:00:00Z
const NEW_YEAR: Timestamp = Timestamp(1_735_689_600_000_000);

fn days(count: i64) -> Timestamp {
    Timestamp(NEW_YEAR.0 + count * DAY)
}

fn sum(town: &Town, medium: Medium, from: Timestamp, to: Timestamp) -> i64 {
    let gauges = (0..town.homes()).map(|home| town.home(home));
    gauges.filter_map(|home| home.gauge(medium).map(|gauge| gauge.used(from, to))).sum()
}

fn of_premises(town: &Town, premises: Premises) -> Vec<Home> {
    (0..town.homes()).map(|home| town.home(home)).filter(|home| home.premises() == premises).collect()
}

#[test]
fn homes_use_what_homes_use() {
    let town = Town::new(1, 200);
    for home in (0..200).map(|home| town.home(home)) {
        let year = |medium| home.gauge(medium).map_or(0, |gauge| gauge.used(days(0), days(365)));
        let (electricity, water, heat) = (year(Medium::Electricity), year(Medium::Water), year(Medium::Heat));
        if home.premises() != Premises::Shop {
            assert!((1_000_000..14_000_000).contains(&electricity), "{electricity} Wh of {}", home.number());
            assert!((10_000..900_000).contains(&water), "{water} l of {}", home.number());
            assert!((1_500_000..30_000_000).contains(&heat), "{heat} Wh of {}", home.number());
        }
    }
    let feed_in = sum(&town, Medium::FeedIn, days(0), days(365));
    assert!((20_000_000..400_000_000).contains(&feed_in), "{feed_in}");
}

#[test]
fn winters_nights_and_sundays_are_as_they_are() {
    let town = Town::new(3, 150);
    let of = |medium, from, length| sum(&town, medium, days(from), days(from + length));
    assert!(of(Medium::Heat, 10, 30) > 6 * of(Medium::Heat, 190, 30), "heating is for winter");
    assert!(of(Medium::FeedIn, 160, 30) > 3 * of(Medium::FeedIn, 340, 30), "the sun is for summer");
    let hours = |medium, day: i64, from: i64, to: i64| {
        let at = |hour: i64| Timestamp(days(day).0 + hour * 3_600_000_000);
        sum(&town, medium, at(from), at(to))
    };
    assert!(hours(Medium::Water, 40, 6, 9) > 10 * hours(Medium::Water, 40, 1, 4), "water sleeps");
    assert!(
        hours(Medium::Electricity, 40, 18, 21) > 2 * hours(Medium::Electricity, 40, 1, 4),
        "lamps are out by night"
    );
    assert_eq!(hours(Medium::FeedIn, 170, 0, 3), 0, "no sun at night");
    let shops = of_premises(&town, Premises::Shop);
    // 2025-02-08 is a Saturday.
    let shopping = |day: i64| -> i64 {
        let used = |home: &Home| home.gauge(Medium::Electricity).expect("has one").used(days(day), days(day + 1));
        shops.iter().map(used).sum()
    };
    assert!(shopping(38) > 2 * shopping(39), "shops are closed on Sunday");
}

#[test]
fn water_comes_in_draws_and_a_leak_never_stops() {
    let town = Town::new(5, 400);
    let nights = |home: &Home, day: i64| -> i64 {
        let mut reader = home.gauge(Medium::Water).expect("every home has water").reader();
        let at = |slot: i64| Timestamp(days(day).0 + slot * HALF_HOUR.0);
        let reads: Vec<i64> = (0..=10).map(|slot| reader.used(at(slot))).collect();
        reads.windows(2).filter(|pair| pair[1] == pair[0]).count() as i64
    };
    let (mut dry, mut seen, mut leaking) = (0, 0, 0);
    for home in (0..400).map(|home| town.home(home)).filter(|home| home.premises() != Premises::Shop) {
        for day in [100, 200] {
            let leak = home.befell(days(day), days(day + 1)).into_iter().find(|befell| befell.mishap == Mishap::Leak);
            match leak {
                Some(leak) if leak.from <= days(day) && leak.to >= days(day + 1) => {
                    leaking += 1;
                    assert_eq!(nights(&home, day), 0, "a leak of {} ml/h in home {}", leak.size, home.number());
                }
                Some(_) => {}
                None => (dry, seen) = (dry + nights(&home, day), seen + 10),
            }
        }
    }
    assert!(leaking > 3, "{leaking} homes leak");
    assert!(10 * dry > 5 * seen, "most half-hours of a night are dry: {dry} of {seen}");
}

#[test]
fn it_is_cold_in_winter_and_by_night_and_the_heat_meters_know() {
    let weather = Town::new(9, 1).weather();
    let mean = |from: i64, count: i64| -> i64 {
        let hours = (0..24 * count).map(|hour| Timestamp(days(from).0 + hour * 3_600_000_000));
        hours.map(|hour| weather.temperature_millicelsius(hour)).sum::<i64>() / (24 * count)
    };
    assert!((-4_000..6_000).contains(&mean(0, 31)), "January: {}", mean(0, 31));
    assert!((18_000..28_000).contains(&mean(181, 31)), "July: {}", mean(181, 31));
    let at = |hour: i64| weather.temperature_millicelsius(Timestamp(days(190).0 + hour * 3_600_000_000));
    assert!(at(14) > at(4) + 3_000, "{} {}", at(14), at(4));
    // In January every degree-hour shows on the thermometer.
    let from_temperature = 24 * 31 * (18_000 - mean(0, 31));
    let counted = weather.degree_hours_thousandths(days(0), days(31));
    assert!((counted - from_temperature).abs() < counted / 1_000, "{counted} {from_temperature}");
}

#[test]
fn a_transformer_delivers_what_is_used_below_it_and_its_losses() {
    let town = Town::new(2, 120);
    let bounds: Vec<Timestamp> = (0..=48).map(|slot| Timestamp(days(170).0 + slot * HALF_HOUR.0)).collect();
    let mut back = 0;
    for transformer in (0..town.transformers()).map(|number| town.transformer(number)) {
        for (slot, bound) in transformer.slots(&bounds).iter().zip(bounds.windows(2)) {
            let used = |medium| -> i64 {
                let gauges = transformer.homes().iter().filter_map(|home| home.gauge(medium));
                gauges.map(|gauge| gauge.used(bound[0], bound[1])).sum()
            };
            let net = used(Medium::Electricity) - used(Medium::FeedIn);
            assert_eq!(slot.delivered - slot.received, net + slot.losses);
            assert!(slot.losses > 0 && slot.delivered * slot.received == 0);
            back += slot.received;
        }
    }
    assert!(back > 0, "in June some of it flows back");
}

#[test]
fn an_outage_stops_every_home_below_the_transformer() {
    let town = Town::new(4, 150);
    let mut outages = town.befell(days(0), days(400));
    outages.retain(|befallen| befallen.mishap == Mishap::Outage);
    assert!(!outages.is_empty());
    for outage in outages {
        for home in town.below(outage.number).map(|home| town.home(home)) {
            let gauge = home.gauge(Medium::Electricity).expect("has one");
            assert_eq!(gauge.used(outage.from, outage.to), 0);
            assert!(gauge.used(outage.to, outage.to.plus(Span::from_minutes(60))) > 0);
            assert_eq!(home.voltage_decivolts(outage.from), 0);
            assert!(
                (1_900..2_600).contains(&home.voltage_decivolts(outage.to)),
                "{}",
                home.voltage_decivolts(outage.to)
            );
        }
    }
}

#[test]
fn what_flows_past_a_meter_is_known() {
    let town = Town::new(6, 800);
    let mut thieves = 0;
    for home in (0..800).map(|home| town.home(home)) {
        let gauge = home.gauge(Medium::Electricity).expect("has one");
        let befell = home.befell(days(0), days(365));
        let is = |mishap| befell.iter().find(|befell| befell.mishap == mishap);
        if is(Mishap::Drift).is_some() {
            continue;
        }
        let Some(theft) = is(Mishap::Bypass) else {
            // What an earlier theft left of a watt-hour counts on.
            let (used, metered) = (gauge.used(days(0), days(365)), gauge.metered(days(0), days(365)));
            assert!((used - metered).abs() <= 1, "{used} {metered}");
            continue;
        };
        thieves += 1;
        let (used, metered) = (gauge.used(theft.from, theft.to), gauge.metered(theft.from, theft.to));
        assert!((used * (1_000 - theft.size) / 1_000 - metered).abs() <= 2, "{used} {metered} {}", theft.size);
    }
    assert!(thieves > 3, "{thieves}");
}

#[test]
fn a_wrong_clock_moves_use_and_loses_none() {
    let town = Town::new(8, 800);
    let drifting = (0..800).map(|home| town.home(home)).find_map(|home| {
        let all = home.befell(days(0), days(365));
        let drift = all.iter().find(|befell| befell.mishap == Mishap::Drift)?.size;
        let bypassed = all.iter().any(|befell| befell.mishap == Mishap::Bypass);
        (!bypassed).then_some((home, drift))
    });
    let (home, drift) = drifting.expect("one in fifty");
    let gauge = home.gauge(Medium::Electricity).expect("has one");
    let off = (0..365).filter(|day| gauge.used(days(*day), days(day + 1)) != gauge.metered(days(*day), days(day + 1)));
    assert!(off.count() > 200, "{drift} seconds a day");
    let (used, metered) = (gauge.used(days(0), days(365)), gauge.metered(days(0), days(365)));
    assert!((used - metered).abs() < 20_000, "{used} {metered}");
}

#[test]
fn a_small_counter_comes_round_and_an_exchange_begins_anew() {
    let town = Town::new(12, 300);
    let (mut rounds, mut exchanges) = (0, 0);
    for home in (0..300).map(|home| town.home(home)) {
        let gauge = home.gauge(Medium::Electricity).expect("has one");
        for befell in gauge.befell(days(0), days(365)) {
            let before = gauge.reader().read(Timestamp(befell.from.0 - 1_000_000));
            let after = gauge.reader().read(befell.from);
            match befell.mishap {
                Mishap::Rollover if (days(0)..days(365)).contains(&befell.from) => {
                    rounds += 1;
                    assert!(before.digits > after.digits && after.digits < 1_000, "{before:?} {after:?}");
                    assert_eq!(before.device, after.device);
                }
                Mishap::Exchange => {
                    exchanges += 1;
                    assert_eq!((after.device, after.digits), (before.device + 1, befell.size));
                }
                _ => {}
            }
        }
    }
    assert!(rounds > 0 && exchanges > 0, "{rounds} {exchanges}");
}

#[test]
fn an_exchange_loses_nothing_between_the_last_read_of_one_device_and_the_first_of_the_next() {
    let (from, to) = (days(0), days(365));
    let mut exchanges = 0;
    for home in (0..60).map(|home| Town::new(12, 60).home(home)) {
        for medium in Medium::ALL {
            let parcels = home.half_hours(medium, from, to);
            let Some(gauge) = home.gauge(medium) else { continue };
            exchanges += parcels.len() - 1;
            let whole = 10_i64.pow(gauge.dials());
            let mut counted = 0;
            for parcel in &parcels {
                let of = |stream| parcel.values.iter().filter(move |measured| measured.stream == stream);
                let reads: Vec<i64> = of(medium.counter()).map(|read| read.digits).collect();
                let mut by_time: Vec<_> = of(medium.counter()).map(|read| (read.start, read.digits)).collect();
                by_time.sort();
                assert!(!reads.is_empty());
                counted += by_time.windows(2).map(|pair| (pair[1].1 - pair[0].1).rem_euclid(whole)).sum::<i64>();
            }
            // The first read is that of the first midnight.
            assert_eq!(counted, gauge.metered(days(1), to), "{medium:?} of {}", home.number());
            let half_hours = parcels.iter().flat_map(|parcel| &parcel.values);
            let half_hours = half_hours.filter(|measured| measured.stream == medium.half_hours());
            assert_eq!(half_hours.map(|measured| measured.digits).sum::<i64>(), gauge.metered(from, to));
        }
    }
    assert!(exchanges > 0);
}

/// What the half-hours of a medium note, each with its bounds.
fn noted(home: &Home, medium: Medium, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp, Flags)> {
    let parcels = home.half_hours(medium, from, to);
    let all = parcels.iter().flat_map(|parcel| &parcel.values);
    let half_hours = all.filter(|measured| measured.stream == medium.half_hours());
    half_hours.map(|measured| (measured.start, measured.start.plus(HALF_HOUR), measured.flags)).collect()
}

#[test]
fn meters_note_outages_and_exchanges_when_they_were_and_at_no_other_time() {
    let town = Town::new(4, 100);
    let (from, to) = (days(0), days(400));
    let befallen = town.befell(from, to);
    let (mut out, mut exchanged) = (0, 0);
    for home in (0..town.homes()).map(|home| town.home(home)) {
        let of_home = |befell: &&Befallen| match befell.mishap {
            Mishap::Outage => town.below(befell.number).contains(&home.number()),
            _ => befell.number == home.number(),
        };
        let befell: Vec<&Befallen> = befallen.iter().filter(of_home).collect();
        if befell.iter().any(|befell| befell.mishap == Mishap::Drift) {
            continue;
        }
        for medium in Medium::ALL {
            let is_electric = matches!(medium, Medium::Electricity | Medium::FeedIn);
            for (start, end, flags) in noted(&home, medium, from, to) {
                let dark = |befell: &&Befallen| {
                    befell.mishap == Mishap::Outage && is_electric && befell.from < end && befell.to > start
                };
                let new = |befell: &&Befallen| {
                    befell.mishap == Mishap::Exchange && befell.medium == medium && (start..end).contains(&befell.from)
                };
                let (dark, new) = (befell.iter().any(dark), befell.iter().any(new));
                let expected = (dark, new, false);
                let found = (
                    flags.has(Flags::OUTAGE),
                    flags.has(Flags::EXCHANGE),
                    flags.without(Flags::OUTAGE.with(Flags::EXCHANGE)) != Flags::default(),
                );
                assert_eq!(found, expected, "{medium:?} of {} at {start}", home.number());
                (out, exchanged) = (out + usize::from(dark), exchanged + usize::from(new));
            }
        }
    }
    assert!(out > 20 && exchanged > 2, "{out} {exchanged}");
}

#[test]
fn a_clock_that_is_set_is_noted_on_one_day_in_twenty_eight() {
    let town = Town::new(8, 800);
    let drifts = |home: &Home| home.befell(days(0), days(1)).iter().any(|befell| befell.mishap == Mishap::Drift);
    let home = (0..800).map(|home| town.home(home)).find(drifts).expect("one in fifty");
    let set = |flags: &Flags| flags.has(Flags::CLOCK_ADJUSTED);
    let half_hours = noted(&home, Medium::Electricity, days(0), days(280));
    assert_eq!(half_hours.iter().filter(|(_, _, flags)| set(flags)).count(), 10 * 48);
    assert!(!noted(&home, Medium::Water, days(0), days(280)).iter().any(|(_, _, flags)| set(flags)));
}

proptest! {
    #[test]
    fn two_reads_differ_by_what_was_metered_between(
        seed: u64, home in 0_u32..1_000, cuts in prop::collection::vec(0_i64..500 * DAY, 2..20),
    ) {
        let home = Town::new(seed, 1_000).home(home);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| days(0).plus(Span(*cut))).collect();
        cuts.sort();
        for gauge in Medium::ALL.into_iter().filter_map(|medium| home.gauge(medium)) {
            let whole = 10_i64.pow(gauge.dials());
            for part in cuts.windows(2) {
                let (before, after) = (gauge.reader().read(part[0]), gauge.reader().read(part[1]));
                let (used, metered) = (gauge.used(part[0], part[1]), gauge.metered(part[0], part[1]));
                prop_assert!(used >= 0 && metered >= 0);
                if before.device == after.device {
                    prop_assert_eq!((before.digits + metered).rem_euclid(whole), after.digits);
                }
            }
            let parts: i64 = cuts.windows(2).map(|part| gauge.metered(part[0], part[1])).sum();
            prop_assert_eq!(parts, gauge.metered(cuts[0], cuts[cuts.len() - 1]));
        }
    }

    #[test]
    fn a_meter_read_in_any_order_shows_the_same(seed: u64, offsets in prop::collection::vec(-3_i64..900, 1..12)) {
        let home = Town::new(seed, 1).home(0);
        let gauge = home.gauge(Medium::Electricity).expect("has one");
        let mut reader = gauge.reader();
        for offset in offsets {
            let at = Timestamp(NEW_YEAR.0 + offset * 17 * 3_600_000_000 + offset * 1_234_567);
            prop_assert_eq!(reader.read(at), gauge.reader().read(at));
        }
    }

    #[test]
    fn minutes_of_a_day_never_fall(seed: u64, home in 0_u32..1_000, day in -3_i64..1_500) {
        let home = Town::new(seed, 1_000).home(home);
        for gauge in Medium::ALL.into_iter().filter_map(|medium| home.gauge(medium)) {
            let mut reader = gauge.reader();
            let totals: Vec<i64> = (0..2_900).map(|minute| {
                reader.total(days(day).plus(Span::from_minutes(minute)))
            }).collect();
            prop_assert!(totals.windows(2).all(|pair| pair[0] <= pair[1]));
        }
    }
}
