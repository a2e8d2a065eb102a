//! Absence of pupils in England, as published: how it is spread over pupils, days, weeks, terms and
//! codes. Only figures, in whole parts, so that whoever draws from them draws the same everywhere.
//!
//! Sources: Department for Education, "Pupil absence in schools in England", absence band distributions
//! 2022/23; "Pupil attendance in schools", daily (11 September to 13 October 2023), weekly (autumn
//! 2024), termly (2024/25) and year to date (2025/26).
//! Contains public sector information licensed under the Open Government Licence v3.0.

/// Upper end of each absence band, in percent of possible sessions; the lower end is the one before.
pub const BAND_UPPER_PERCENT: [u32; 11] = [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 100];

/// How pupils are spread over the absence bands.
pub struct BandRow {
    /// National Curriculum year.
    pub nc_year: u8,
    /// Eligible for free school meals.
    pub fsm: bool,
    /// Any identified special educational need.
    pub sen: bool,
    /// Thousandths of a percent of such pupils in each band; adds up to 100,000 but for rounding.
    pub share: [u32; 11],
}

/// Years 1 to 6 in state-funded primary schools, Years 7 to 11 in state-funded secondary schools.
pub const BANDS_2022_23: [BandRow; 44] = [
    BandRow {
        nc_year: 1,
        fsm: true,
        sen: true,
        share: [27873, 30847, 17462, 9174, 4837, 2749, 1705, 1237, 830, 647, 2640],
    },
    BandRow {
        nc_year: 1,
        fsm: true,
        sen: false,
        share: [34586, 33075, 16644, 7346, 3439, 1847, 1042, 631, 396, 234, 760],
    },
    BandRow {
        nc_year: 1,
        fsm: false,
        sen: true,
        share: [42592, 32382, 13110, 5009, 2225, 1139, 837, 537, 360, 326, 1483],
    },
    BandRow {
        nc_year: 1,
        fsm: false,
        sen: false,
        share: [57531, 29183, 8566, 2567, 971, 447, 230, 129, 84, 56, 237],
    },
    BandRow {
        nc_year: 2,
        fsm: true,
        sen: true,
        share: [31526, 31106, 17047, 8176, 4102, 2412, 1437, 1006, 734, 503, 1953],
    },
    BandRow {
        nc_year: 2,
        fsm: true,
        sen: false,
        share: [39918, 32441, 14738, 6203, 2827, 1397, 832, 484, 323, 191, 644],
    },
    BandRow {
        nc_year: 2,
        fsm: false,
        sen: true,
        share: [49385, 31125, 10899, 3849, 1619, 885, 512, 334, 217, 183, 991],
    },
    BandRow {
        nc_year: 2,
        fsm: false,
        sen: false,
        share: [63175, 26496, 6924, 1892, 673, 296, 158, 88, 66, 41, 192],
    },
    BandRow {
        nc_year: 3,
        fsm: true,
        sen: true,
        share: [34409, 30056, 16134, 7528, 4065, 2379, 1397, 897, 700, 567, 1868],
    },
    BandRow {
        nc_year: 3,
        fsm: true,
        sen: false,
        share: [42833, 31421, 13878, 5819, 2581, 1308, 712, 422, 272, 195, 558],
    },
    BandRow {
        nc_year: 3,
        fsm: false,
        sen: true,
        share: [53767, 29326, 9594, 3204, 1420, 764, 435, 293, 199, 158, 841],
    },
    BandRow {
        nc_year: 3,
        fsm: false,
        sen: false,
        share: [65866, 25126, 6149, 1594, 557, 256, 128, 76, 52, 36, 160],
    },
    BandRow {
        nc_year: 4,
        fsm: true,
        sen: true,
        share: [35086, 29725, 15697, 7641, 3907, 2255, 1413, 973, 713, 462, 2128],
    },
    BandRow {
        nc_year: 4,
        fsm: true,
        sen: false,
        share: [43356, 31141, 13792, 5716, 2506, 1311, 746, 391, 264, 176, 600],
    },
    BandRow {
        nc_year: 4,
        fsm: false,
        sen: true,
        share: [54969, 28648, 9404, 3071, 1309, 699, 403, 279, 201, 170, 847],
    },
    BandRow {
        nc_year: 4,
        fsm: false,
        sen: false,
        share: [65988, 25121, 6106, 1571, 543, 228, 122, 74, 51, 34, 163],
    },
    BandRow {
        nc_year: 5,
        fsm: true,
        sen: true,
        share: [35000, 29249, 15896, 7487, 4020, 2392, 1503, 1012, 667, 534, 2240],
    },
    BandRow {
        nc_year: 5,
        fsm: true,
        sen: false,
        share: [43464, 30927, 13849, 5532, 2535, 1369, 720, 457, 297, 214, 636],
    },
    BandRow {
        nc_year: 5,
        fsm: false,
        sen: true,
        share: [55000, 28225, 9453, 3151, 1419, 721, 415, 310, 216, 157, 932],
    },
    BandRow {
        nc_year: 5,
        fsm: false,
        sen: false,
        share: [65337, 25478, 6279, 1613, 563, 262, 132, 83, 55, 33, 164],
    },
    BandRow {
        nc_year: 6,
        fsm: true,
        sen: true,
        share: [35178, 29209, 15496, 7569, 3944, 2303, 1463, 930, 698, 575, 2635],
    },
    BandRow {
        nc_year: 6,
        fsm: true,
        sen: false,
        share: [44185, 30615, 13558, 5626, 2397, 1289, 720, 395, 285, 208, 721],
    },
    BandRow {
        nc_year: 6,
        fsm: false,
        sen: true,
        share: [54011, 28588, 9612, 3249, 1490, 753, 465, 319, 225, 164, 1124],
    },
    BandRow {
        nc_year: 6,
        fsm: false,
        sen: false,
        share: [64639, 25873, 6464, 1692, 598, 255, 125, 77, 58, 43, 175],
    },
    BandRow {
        nc_year: 7,
        fsm: true,
        sen: true,
        share: [28851, 25280, 14930, 8631, 5211, 3583, 2583, 1960, 1645, 1213, 6112],
    },
    BandRow {
        nc_year: 7,
        fsm: true,
        sen: false,
        share: [37194, 28805, 14506, 6910, 3808, 2327, 1560, 1134, 759, 654, 2344],
    },
    BandRow {
        nc_year: 7,
        fsm: false,
        sen: true,
        share: [51849, 26604, 9605, 4005, 2020, 1180, 870, 638, 496, 367, 2365],
    },
    BandRow {
        nc_year: 7,
        fsm: false,
        sen: false,
        share: [62296, 25333, 7205, 2266, 973, 533, 354, 225, 157, 117, 540],
    },
    BandRow {
        nc_year: 8,
        fsm: true,
        sen: true,
        share: [23676, 22984, 14786, 8903, 5721, 4128, 3197, 2306, 2236, 1653, 10410],
    },
    BandRow {
        nc_year: 8,
        fsm: true,
        sen: false,
        share: [30695, 28048, 15533, 8080, 4649, 3019, 2040, 1513, 1167, 903, 4354],
    },
    BandRow {
        nc_year: 8,
        fsm: false,
        sen: true,
        share: [43678, 27620, 11600, 4989, 2645, 1792, 1189, 917, 737, 601, 4232],
    },
    BandRow {
        nc_year: 8,
        fsm: false,
        sen: false,
        share: [54293, 28734, 9340, 3180, 1424, 780, 520, 347, 248, 191, 942],
    },
    BandRow {
        nc_year: 9,
        fsm: true,
        sen: true,
        share: [21231, 21236, 14352, 8832, 6160, 4505, 3408, 2601, 2184, 1811, 13681],
    },
    BandRow {
        nc_year: 9,
        fsm: true,
        sen: false,
        share: [27405, 26898, 15671, 8504, 5153, 3394, 2406, 1804, 1410, 1111, 6244],
    },
    BandRow {
        nc_year: 9,
        fsm: false,
        sen: true,
        share: [39353, 27312, 12445, 5780, 3242, 2092, 1477, 1112, 930, 716, 5539],
    },
    BandRow {
        nc_year: 9,
        fsm: false,
        sen: false,
        share: [50188, 29585, 10344, 3834, 1821, 1019, 663, 472, 345, 267, 1461],
    },
    BandRow {
        nc_year: 10,
        fsm: true,
        sen: true,
        share: [20837, 19698, 13514, 8652, 6112, 4290, 3622, 2731, 2564, 2105, 15876],
    },
    BandRow {
        nc_year: 10,
        fsm: true,
        sen: false,
        share: [26890, 25859, 15205, 8548, 5210, 3462, 2440, 1921, 1618, 1222, 7625],
    },
    BandRow {
        nc_year: 10,
        fsm: false,
        sen: true,
        share: [39028, 26090, 11780, 5596, 3462, 2321, 1713, 1253, 1003, 959, 6795],
    },
    BandRow {
        nc_year: 10,
        fsm: false,
        sen: false,
        share: [50248, 28358, 10254, 4011, 1970, 1167, 782, 573, 434, 345, 1858],
    },
    BandRow {
        nc_year: 11,
        fsm: true,
        sen: true,
        share: [23006, 18894, 12773, 8252, 5837, 4452, 3392, 2647, 2397, 1985, 16365],
    },
    BandRow {
        nc_year: 11,
        fsm: true,
        sen: false,
        share: [30290, 24224, 14221, 7993, 4809, 3489, 2427, 1940, 1458, 1220, 7930],
    },
    BandRow {
        nc_year: 11,
        fsm: false,
        sen: true,
        share: [38815, 24804, 11817, 5793, 3561, 2411, 1716, 1421, 1206, 1009, 7447],
    },
    BandRow {
        nc_year: 11,
        fsm: false,
        sen: false,
        share: [48326, 28220, 11325, 4450, 2132, 1230, 819, 587, 460, 372, 2081],
    },
];

/// Absence by weekday, Monday first, in thousandths of the week's: primary, secondary, special.
pub const WEEKDAY_MULTIPLIER: [[u32; 5]; 3] =
    [[1056, 963, 913, 932, 1136], [971, 975, 956, 975, 1124], [967, 964, 966, 995, 1108]];

/// ISO weeks of autumn 2024 that have a figure; week 44 is half-term in most authorities.
pub const AUTUMN_WEEKS: [u32; 12] = [37, 38, 39, 40, 41, 42, 43, 45, 46, 47, 48, 49];

/// Absence in those weeks, in hundredths of a percent of possible sessions: primary, secondary.
pub const AUTUMN_WEEK_ABSENCE: [[u32; 12]; 2] = [
    [381, 447, 441, 448, 444, 494, 561, 469, 449, 574, 577, 583],
    [567, 688, 756, 758, 728, 765, 840, 744, 734, 833, 838, 886],
];

/// Absence in autumn, spring and summer 2024/25, in thousandths of a percent of possible sessions:
/// primary, secondary, special.
pub const TERM_ABSENCE: [[u32; 3]; 3] = [[5169, 5304, 5283], [7910, 8683, 9420], [12735, 13130, 12796]];

/// One reason's sessions in autumn, spring and summer 2024/25, in thousandths of a percent of possible
/// sessions: primary, secondary, special.
pub const TERM_REASONS: [(&str, [[u32; 3]; 3]); 5] = [
    ("I", [[3055, 3133, 2326], [3719, 3782, 3326], [5507, 5510, 4197]]),
    ("G", [[522, 355, 838], [329, 202, 529], [375, 226, 656]]),
    ("R", [[6, 148, 172], [4, 143, 151], [4, 114, 129]]),
    ("S", [[1, 0, 0], [3, 6, 342], [0, 3, 75]]),
    ("E", [[30, 34, 37], [284, 320, 343], [181, 178, 155]]),
];

/// Marks of each code in a million possible sessions, 2025/26: primary, secondary, special. What is left
/// is present without a remark.
pub const CODES_PER_MILLION: [(&str, [u32; 3]); 20] = [
    ("L", [11219, 27900, 7667]),
    ("I", [27860, 36270, 50194]),
    ("M", [2720, 3763, 10150]),
    ("R", [655, 579, 534]),
    ("S", [2, 1004, 227]),
    ("T", [142, 30, 65]),
    ("E", [369, 2887, 1740]),
    ("C", [3674, 4258, 16754]),
    ("C1", [33, 51, 46]),
    ("J1", [170, 157, 100]),
    ("C2", [1667, 3210, 15882]),
    ("B", [1908, 2996, 8892]),
    ("P", [848, 1421, 477]),
    ("V", [7329, 7292, 4643]),
    ("W", [0, 3085, 612]),
    ("K", [176, 789, 1013]),
    ("G", [5349, 3144, 4074]),
    ("U", [1694, 2965, 3234]),
    ("O", [7938, 26084, 27999]),
    ("N", [494, 495, 692]),
];
