//! Made-up charities: how large they are and how the people they work with fare.
//!
//! A median income of GBP 28,000, 20 to 400 people, a change of 1.6 with a spread of 2.4 on 0 to 10 and
//! 35 % of end scores missing are the project's data rules (DATA section 9); the rest is made up to fit
//! them and is not a published figure.

/// 32 equally likely yearly incomes in pounds: lognormal with median 28,000 and 1.6.
pub const INCOME_GBP: [u32; 32] = [
    900, 1_900, 2_900, 3_900, 5_000, 6_200, 7_400, 8_800, 10_300, 11_900, 13_700, 15_700, 18_000, 20_400,
    23_200, 26_300, 29_800, 33_800, 38_400, 43_700, 49_800, 57_100, 65_700, 76_200, 89_200, 105_700, 127_400,
    157_000, 200_300, 270_600, 409_000, 878_700,
];
/// Fewest and most people.
pub const PEOPLE: (u32, u32) = (20, 400);
/// Mean change from baseline to end on 0 to 10, in thousandths.
pub const CHANGE_MEAN: i32 = 1_600;
/// Its standard deviation, in thousandths.
pub const CHANGE_SD: i32 = 2_400;
/// End scores that are missing, in thousandths, after a start in the better half and in the worse.
pub const END_MISSING: [u32; 2] = [250, 450];
