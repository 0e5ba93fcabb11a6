//! The numbers by which people live. Hours are UTC, weeks begin on Wednesday.

use super::pace::Season;
use super::way::Hours;

pub(crate) const EVEN_WEEK: [i64; 7] = [1; 7];
pub(crate) const HOME_WEEK: [i64; 7] = [98, 97, 98, 109, 106, 96, 96];
/// Closed on Sunday.
pub(crate) const SHOP_WEEK: [i64; 7] = [110, 110, 120, 130, 20, 105, 105];

pub(crate) const LIGHTS: Season = Season { winter: 1_250, summer: 750, midwinter: 0 };
pub(crate) const BATHING: Season = Season { winter: 950, summer: 1_050, midwinter: 15 };
/// Gardens are watered from spring to autumn.
pub(crate) const GARDEN: Season = Season { winter: -900, summer: 1_100, midwinter: 15 };

/// Up in the morning, away at noon, home in the evening.
pub(crate) static HOME_WORKDAY: Hours =
    Hours::of([25, 20, 18, 17, 18, 25, 50, 75, 60, 45, 40, 42, 48, 44, 42, 45, 60, 90, 110, 105, 95, 80, 55, 35]);
pub(crate) static HOME_WEEKEND: Hours =
    Hours::of([30, 24, 20, 18, 18, 20, 30, 50, 75, 85, 85, 90, 95, 85, 75, 72, 80, 95, 105, 100, 92, 80, 60, 42]);
/// What the sun covers by day is not drawn from the network.
pub(crate) static SOLAR_WORKDAY: Hours =
    Hours::of([30, 24, 20, 18, 19, 26, 45, 50, 25, 12, 8, 6, 6, 6, 8, 14, 35, 75, 110, 112, 102, 88, 62, 40]);
pub(crate) static SOLAR_WEEKEND: Hours =
    Hours::of([35, 28, 22, 20, 20, 22, 28, 38, 32, 22, 15, 12, 12, 12, 14, 20, 42, 80, 108, 110, 100, 88, 66, 48]);
pub(crate) static SHOP_HOURS: Hours = Hours::of([
    22, 22, 22, 22, 22, 25, 45, 80, 105, 112, 115, 115, 112, 112, 115, 115, 112, 105, 85, 50, 30, 25, 22, 22,
]);

/// By night somebody flushes, and nobody showers.
pub(crate) static TAPS: Hours =
    Hours::of([4, 2, 1, 1, 3, 30, 90, 105, 70, 45, 40, 42, 50, 42, 35, 36, 45, 65, 80, 75, 65, 55, 35, 14]);
pub(crate) static SHOWERS: Hours =
    Hours::of([0, 0, 0, 0, 1, 30, 120, 110, 50, 25, 15, 10, 8, 8, 8, 10, 15, 25, 35, 45, 50, 45, 20, 4]);
pub(crate) static OPENING_HOURS: Hours =
    Hours::of([0, 0, 0, 0, 0, 0, 5, 60, 100, 110, 110, 110, 110, 110, 110, 110, 110, 90, 40, 5, 0, 0, 0, 0]);

/// Lowered by night, and a peak when the house is warmed up again.
pub(crate) static HEATING: Hours = Hours::of([
    55, 50, 50, 52, 75, 130, 150, 135, 115, 100, 92, 85, 80, 78, 80, 86, 98, 112, 120, 120, 115, 105, 85, 65,
]);
/// A heat pump runs evenly.
pub(crate) static PUMPING: Hours = Hours::of([
    105, 106, 107, 108, 110, 112, 112, 108, 102, 98, 94, 90, 88, 86, 87, 90, 94, 98, 100, 102, 103, 104, 104, 104,
]);

pub(crate) static COLD_HOURS: Hours =
    Hours::of([53, 54, 55, 56, 57, 57, 56, 54, 51, 48, 45, 43, 41, 40, 40, 41, 43, 45, 47, 48, 49, 50, 51, 52]);
pub(crate) static WARM_HOURS: Hours =
    Hours::of([10, 6, 3, 1, 0, 1, 6, 16, 30, 46, 62, 76, 88, 96, 100, 98, 92, 80, 66, 50, 38, 28, 20, 14]);
