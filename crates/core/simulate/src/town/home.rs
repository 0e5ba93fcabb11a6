//! A home or a shop: what is in it, and its meters.

use meter::Timestamp;

use super::branch::Branch;
use super::gauge::Gauge;
use super::habits::*;
use super::pace::{ONE, Pace, Season, seconds};
use super::part::{Part, Pieces};
use super::way::Way;
use super::window::{Befallen, DRIFT_A_DAY_S_MAX, Drift, Habit, Mishap, Window, windows};
use super::{HOMES_BELOW, Town};
use crate::draw::Dice;

/// What a meter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Medium {
    /// What comes from the network, in watt-hours.
    Electricity,
    /// What goes into it from the roof, in watt-hours; the electricity meter counts it too.
    FeedIn,
    /// In litres.
    Water,
    /// In watt-hours.
    Heat,
}

impl Medium {
    /// All of them.
    pub const ALL: [Medium; 4] = [Medium::Electricity, Medium::FeedIn, Medium::Water, Medium::Heat];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Medium::Electricity => "electricity",
            Medium::FeedIn => "feed_in",
            Medium::Water => "water",
            Medium::Heat => "heat",
        }
    }
}

/// What stands at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Premises {
    /// With a roof and a garden of its own.
    House,
    /// One of many.
    Flat,
    /// Closed on Sunday and by night.
    Shop,
}

/// A home with its meters; a shop counts as one.
#[derive(Clone, Debug)]
pub struct Home {
    number: u32,
    premises: Premises,
    dice: Dice,
    gauges: Vec<(Medium, Gauge)>,
    befallen: Vec<Befallen>,
}

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;
const AWAY: Habit = Habit { often: 800, length_s: (5 * DAY_S, 21 * DAY_S), size: (1_000, 1_000) };
const LEAK: Habit = Habit { often: 45, length_s: (3 * DAY_S, 90 * DAY_S), size: (2_000, 60_000) };
const BYPASS: Habit = Habit { often: 12, length_s: (40 * DAY_S, 300 * DAY_S), size: (250, 900) };
const EXCHANGE: Habit = Habit { often: 50, length_s: (0, 0), size: (0, 400) };
pub(super) const OUTAGE: Habit = Habit { often: 700, length_s: (5 * 60, 5 * HOUR_S), size: (1_000, 1_000) };
/// Of what runs without people: fridge and standby.
const AWAY_RESTS: i64 = 850;
/// Of the roof's yield, what is used at once rather than sent away.
const USED_AT_ONCE_THOUSANDTHS: i64 = 300;

impl Home {
    pub(super) fn new(town: &Town, number: u32) -> Home {
        let dice = town.dice_of(number);
        let premises = match dice.between(-1, 0, 99) {
            0..=4 => Premises::Shop,
            5..=54 => Premises::House,
            _ => Premises::Flat,
        };
        let mut home = Home { number, premises, dice, gauges: Vec::new(), befallen: Vec::new() };
        let outages = town.outages(number / HOMES_BELOW);
        home.electricity(town, &outages);
        home.water();
        home.heat(town);
        home
    }

    /// Its number in the town.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// What it is.
    pub fn premises(&self) -> Premises {
        self.premises
    }

    /// The meter of a medium; `None` where it is not connected.
    pub fn gauge(&self, medium: Medium) -> Option<&Gauge> {
        self.gauges.iter().find(|(of, _)| *of == medium).map(|(_, gauge)| gauge)
    }

    /// What befell it in `[from, to)`, outages of its transformer apart.
    pub fn befell(&self, from: Timestamp, to: Timestamp) -> Vec<Befallen> {
        let meters = self.gauges.iter().flat_map(|(_, gauge)| gauge.befell(from, to));
        let all = self.befallen.iter().copied().chain(meters);
        // What takes no time happens at its beginning.
        all.filter(|befallen| befallen.from < to && (befallen.to > from || befallen.from >= from)).collect()
    }

    /// In tenths of a volt at its meter; nothing in an outage.
    pub fn voltage_decivolts(&self, at: Timestamp) -> i64 {
        let electricity = self.gauge(Medium::Electricity).expect("every home has electricity");
        if electricity.is_out(at) {
            return 0;
        }
        let rate = |medium| self.gauge(medium).map_or(0, |gauge| gauge.reader().rate(at));
        let (second, noise) = (seconds(at), self.dice.of(21));
        let noise = noise.between(second, -9, 9) + noise.between(!second, -9, 9);
        // A home at the end of a long line sags more, and its roof lifts it more.
        let watts_a_decivolt = self.dice.of(20).between(1, 250, 700);
        let moved = (rate(Medium::FeedIn) - rate(Medium::Electricity)) / watts_a_decivolt;
        2_300 + self.dice.of(20).between(0, -40, 40) + moved + noise
    }

    fn electricity(&mut self, town: &Town, outages: &[Window]) {
        let has = |feature: i64, percent: i64| self.dice.of(2).between(feature, 0, 99) < percent;
        let house = self.premises == Premises::House;
        let (roof, pump, car) =
            (house && has(0, 40), house && has(1, 35), self.premises != Premises::Shop && has(2, 18));
        let mut parts = vec![self.living(roof), self.fridge()];
        parts.extend(if self.premises == Premises::Shop { Vec::new() } else { self.washing() });
        parts.extend(car.then(|| self.car()));
        parts.extend(pump.then(|| self.heating(town, 3)));
        let away = rests(&self.holidays(), AWAY_RESTS);
        let bypasses = windows(self.dice.of(5), BYPASS);
        let branch = Branch::new(parts).away(&away).out(outages).bypassed(&bypasses);
        // A dialled meter of a thousand megawatt-hours, or one of ten that soon comes round.
        let dials = if has(3, 10) { 7 } else { 9 };
        let exchanges = windows(self.dice.of(6), EXCHANGE);
        let drift_s = self.dice.of(7).between(0, -DRIFT_A_DAY_S_MAX, DRIFT_A_DAY_S_MAX);
        let drift = (has(4, 2) && drift_s != 0).then_some(Drift { a_day_s: drift_s });
        self.befallen.extend(bypasses.iter().map(|w| w.befell(Mishap::Bypass, self.number, Medium::Electricity)));
        self.befallen.extend(away.iter().map(|w| w.befell(Mishap::Away, self.number, Medium::Electricity)));
        let gauge = |home: &Home, medium, branch, dials| {
            let opening = home.dice.of(8).between(medium as i64, 0, 10_i64.pow(dials) - 1);
            Gauge::new(home.number, medium, branch, dials, opening).drifting(drift).exchanged(&exchanges)
        };
        let electricity = gauge(self, Medium::Electricity, branch, dials);
        self.gauges.push((Medium::Electricity, electricity));
        if roof {
            // In thousandths of a watt-hour on the best day: 3 to 12 kWp.
            let daily = self.dice.of(9).between(0, 17_000_000, 70_000_000);
            let sent = town.weather().roof(daily * (1_000 - USED_AT_ONCE_THOUSANDTHS) / 1_000);
            let feed_in = gauge(self, Medium::FeedIn, Branch::new(vec![sent]).out(outages), 9);
            self.gauges.push((Medium::FeedIn, feed_in));
        }
    }

    /// Lamps, screens, cooking; a shop's lights and coolers.
    fn living(&self, roof: bool) -> Part {
        let dice = self.dice.of(30);
        let (low, high, week, workday, weekend) = match (self.premises, roof) {
            (Premises::Shop, _) => (12_000_000, 60_000_000, SHOP_WEEK, &SHOP_HOURS, &SHOP_HOURS),
            (Premises::House, true) => (4_000_000, 9_000_000, HOME_WEEK, &SOLAR_WORKDAY, &SOLAR_WEEKEND),
            (Premises::House, false) => (4_500_000, 11_000_000, HOME_WEEK, &HOME_WORKDAY, &HOME_WEEKEND),
            (Premises::Flat, _) => (2_200_000, 6_500_000, HOME_WEEK, &HOME_WORKDAY, &HOME_WEEKEND),
        };
        let way = Way::Hours { workday, weekend, uneven_s: 720 };
        self.part(dice, dice.between(-1, low, high), LIGHTS, Pace::new(week, dice.of(1), 450, 250), way)
    }

    /// 60 to 140 W, a third of the time.
    fn fridge(&self) -> Part {
        let dice = self.dice.of(31);
        let way = Way::Cycle { period_s: 2_880, on_s: 960 };
        self.part(dice, dice.between(-1, 480_000, 1_120_000), Season::EVEN, Pace::new(EVEN_WEEK, dice, 0, 0), way)
    }

    /// A washing machine and a dishwasher.
    fn washing(&self) -> Vec<Part> {
        let machine = |which: u64, energy: i64, days: i64, watts: i64| {
            let dice = self.dice.of(which);
            let (week, daily) = some_days(dice, days, energy);
            let way = Way::Run { earliest_s: 8 * HOUR_S, latest_s: 20 * HOUR_S, watts };
            self.part(dice, daily, Season::EVEN, Pace::new(week, dice.of(1), 700, 0), way)
        };
        vec![machine(32, 900_000, 2, 900), machine(33, 1_000_000, 4, 1_100)]
    }

    /// Charged in the evening or, by a timer, after midnight.
    fn car(&self) -> Part {
        let dice = self.dice.of(34);
        let (week, daily) = some_days(dice, dice.between(-1, 1, 3), dice.between(-2, 8_000_000, 20_000_000));
        let watts = if dice.between(-3, 0, 1) == 0 { 3_700 } else { 11_000 };
        let (earliest_s, latest_s) = if dice.between(-4, 0, 2) == 0 { (0, 2) } else { (16, 18) };
        let way = Way::Run { earliest_s: earliest_s * HOUR_S, latest_s: latest_s * HOUR_S, watts };
        self.part(dice, daily, Season::EVEN, Pace::new(week, dice.of(1), 800, 0), way)
    }

    fn water(&mut self) {
        let people = self.dice.of(40).between(0, 1, 5);
        let mut parts = Vec::new();
        if self.premises == Premises::Shop {
            parts.push(self.drawn(41, 20 * people, 6_000, SHOP_WEEK, &OPENING_HOURS, Season::EVEN));
        } else {
            // Flushes, taps, showers; the machines with a week of their own stand in the taps.
            parts.push(self.drawn(41, 5 * people, 6_000, HOME_WEEK, &TAPS, Season::EVEN));
            parts.push(self.drawn(42, 14 * people, 1_800, HOME_WEEK, &TAPS, Season::EVEN));
            parts.push(self.drawn(43, people, 55_000, HOME_WEEK, &SHOWERS, BATHING));
        }
        if self.premises == Premises::House {
            parts.push(self.drawn(44, 1, 120_000, EVEN_WEEK, &SHOWERS, GARDEN));
        }
        let leaks = windows(self.dice.of(45), LEAK);
        self.befallen.extend(leaks.iter().map(|leak| leak.befell(Mishap::Leak, self.number, Medium::Water)));
        let branch = Branch::new(parts).away(&self.holidays()).leaking(leaks);
        let gauge = Gauge::new(self.number, Medium::Water, branch, 8, self.dice.of(46).between(0, 0, 99_999_999));
        self.gauges.push((Medium::Water, gauge.exchanged(&windows(self.dice.of(47), EXCHANGE))));
    }

    /// So many draws a day of so many millilitres each.
    fn drawn(
        &self,
        which: u64,
        often: i64,
        size: i64,
        week: [i64; 7],
        hours: &'static super::way::Hours,
        season: Season,
    ) -> Part {
        let dice = self.dice.of(which);
        let way = Way::Hours { workday: hours, weekend: hours, uneven_s: 800 };
        let part = self.part(dice, often * ONE, season, Pace::new(week, dice.of(1), 500, 200), way);
        Part { pieces: Some(Pieces { size, one_of: 12 }), ..part }
    }

    fn heat(&mut self, town: &Town) {
        let dice = self.dice.of(50);
        // Besides rooms, water is warmed all the year.
        let water = Part {
            pieces: None,
            daily: dice.between(0, 2_000_000, 7_000_000),
            ..self.drawn(51, 1, 1, HOME_WEEK, &SHOWERS, BATHING)
        };
        let branch = Branch::new(vec![self.heating(town, 1), water]).away(&rests(&self.holidays(), 300));
        let gauge = Gauge::new(self.number, Medium::Heat, branch, 9, dice.between(1, 0, 80_000_000));
        self.gauges.push((Medium::Heat, gauge.exchanged(&windows(dice.of(2), EXCHANGE))));
    }

    /// What the rooms take, or of it what a heat pump draws for so much heat at once.
    fn heating(&self, town: &Town, yields: i64) -> Part {
        let dice = self.dice.of(52);
        let (low, high) = match self.premises {
            Premises::Flat => (600_000, 1_800_000),
            Premises::House | Premises::Shop => (1_800_000, 5_000_000),
        };
        let hours = if yields > 1 { &PUMPING } else { &HEATING };
        let way = Way::Hours { workday: hours, weekend: hours, uneven_s: 400 };
        town.weather().heating(dice.between(0, low, high) / yields, way, dice)
    }

    fn part(&self, dice: Dice, daily: i64, season: Season, pace: Pace, way: Way) -> Part {
        Part { daily, season, pace, way, dice, pieces: None }
    }

    /// When nobody is there; shops have no holidays.
    fn holidays(&self) -> Vec<Window> {
        if self.premises == Premises::Shop { Vec::new() } else { windows(self.dice.of(4), AWAY) }
    }
}

fn rests(windows: &[Window], size: i64) -> Vec<Window> {
    windows.iter().map(|window| Window { size, ..*window }).collect()
}

/// A week with `days` days of use, and the mean a day that makes `each` of them.
fn some_days(dice: Dice, days: i64, each: i64) -> ([i64; 7], i64) {
    let (mut week, first) = ([0; 7], dice.between(-9, 0, 6));
    for day in 0..days {
        week[((first + day * 7 / days) % 7) as usize] = 1;
    }
    (week, each * days / 7)
}
