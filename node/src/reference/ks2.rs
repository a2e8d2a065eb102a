//! Key stage 2 starting points: average scaled scores, their 34 groups and 12 bands. Scores are counted
//! in halves of a point, which is as fine as an average of two whole scores gets.
//!
//! Sources: Department for Education, "Key stage 4 performance", Progress 8 ready reckoner 2024 (groups)
//! and key stage 2 to 4 transition matrices 2024 (bands).
//! Contains public sector information licensed under the Open Government Licence v3.0.

/// Lowest and highest average, in halves.
pub const HALVES: std::ops::RangeInclusive<u16> = 118..=240;

/// The highest average of each prior attainment group in halves: the first is group 1.
pub const GROUP_ENDS: [u16; 34] = [
    164, 172, 175, 178, 181, 184, 186, 188, 190, 192, 194, 196, 198, 200, 202, 204, 206, 208, 210, 212, 214,
    216, 218, 220, 222, 224, 226, 228, 230, 232, 234, 236, 238, 240,
];

/// Bands and the highest average of each, in halves.
pub const BAND_ENDS: [(&str, u16); 11] = [
    ("Less than 80", 159),
    ("80 - 89.5", 179),
    ("90 - 95.5", 191),
    ("96 - 99.5", 199),
    ("100 - 102", 204),
    ("102.5 - 104.5", 209),
    ("105 - 107", 214),
    ("107.5 - 109.5", 219),
    ("110 - 113", 226),
    ("113.5 - 116.5", 233),
    ("117 - 120", 240),
];

/// The band of those without an average.
pub const NO_BAND: &str = "No scaled score";

/// The prior attainment group, 1 to 34; `None` outside the scale.
pub fn group(halves: u16) -> Option<usize> {
    let in_scale = HALVES.contains(&halves);
    in_scale.then(|| GROUP_ENDS.partition_point(|end| *end < halves) + 1)
}

/// The band of an average, or of having none.
pub fn band(halves: Option<u16>) -> &'static str {
    let found = halves.filter(|halves| HALVES.contains(halves));
    let found = found.and_then(|halves| BAND_ENDS.iter().find(|(_, end)| halves <= *end));
    found.map_or(NO_BAND, |(name, _)| name)
}
