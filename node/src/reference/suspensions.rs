//! Suspensions of made-up pupils: how many, how unevenly, and for what.
//!
//! 11.3 for each 100 pupils, negative binomial with k = 0.15, a peak in Year 9 and four times as many
//! with free school meals are the project's data rules (DATA section 9). How they are spread over the
//! other years and over reasons is made up to fit them; it is not a published figure.

/// Suspensions a year for each 100 pupils of a secondary school, in tenths.
pub const PER_100_PUPILS: u32 = 113;
/// Pupils eligible for free school meals are suspended so many times as often.
pub const FSM_TIMES: u32 = 4;
/// How often in National Curriculum years 1 to 11, in percent of the mean of Years 7 to 11.
pub const YEAR_PERCENT: [u32; 11] = [4, 5, 6, 8, 10, 12, 70, 110, 130, 110, 80];
/// How prone to it pupils are, in thousandths of the mean: 64 equally likely values of a gamma with shape
/// k = 0.15. Counts that are Poisson given this are negative binomial.
pub const PRONE: [u32; 64] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 7, 9, 12, 15, 19, 24, 30, 37, 46,
    56, 69, 83, 101, 121, 145, 172, 204, 241, 285, 335, 392, 458, 535, 623, 725, 842, 978, 1137, 1323, 1540,
    1797, 2101, 2467, 2915, 3478, 4199, 5163, 6565, 8881, 15852,
];
/// Reasons by DfE code and their weights.
pub const REASONS: [(&str, u32); 12] = [
    ("DB", 50),
    ("PP", 13),
    ("VA", 15),
    ("PA", 6),
    ("OW", 3),
    ("DA", 4),
    ("DM", 2),
    ("TH", 1),
    ("BU", 1),
    ("RA", 2),
    ("SM", 1),
    ("VP", 2),
];
