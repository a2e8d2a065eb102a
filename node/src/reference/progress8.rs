//! Attainment 8 and its elements by key stage 2 prior attainment group, and how far pupils lie apart, 2024.
//!
//! Source: Department for Education, "Key stage 4 performance", Progress 8 ready reckoner 2024.
//! Contains public sector information licensed under the Open Government Licence v3.0.

/// What pupils of one prior attainment group reached on average, in hundredths of a point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Estimate {
    /// Attainment 8.
    pub a8: i32,
    /// English, doubled.
    pub english: i32,
    /// Mathematics, doubled.
    pub maths: i32,
    /// Three English Baccalaureate slots.
    pub ebacc: i32,
    /// Three open slots.
    pub open: i32,
}

/// By group: the first is group 1.
pub const ESTIMATES_2024: [Estimate; 34] = [
    Estimate { a8: 1596, english: 386, maths: 239, ebacc: 436, open: 534 },
    Estimate { a8: 1663, english: 418, maths: 250, ebacc: 437, open: 558 },
    Estimate { a8: 1901, english: 476, maths: 307, ebacc: 499, open: 619 },
    Estimate { a8: 2078, english: 514, maths: 345, ebacc: 549, open: 670 },
    Estimate { a8: 2200, english: 537, maths: 375, ebacc: 586, open: 702 },
    Estimate { a8: 2370, english: 573, maths: 416, ebacc: 633, open: 747 },
    Estimate { a8: 2502, english: 602, maths: 448, ebacc: 668, open: 784 },
    Estimate { a8: 2642, english: 634, maths: 482, ebacc: 705, open: 822 },
    Estimate { a8: 2765, english: 655, maths: 513, ebacc: 744, open: 853 },
    Estimate { a8: 2912, english: 681, maths: 551, ebacc: 791, open: 888 },
    Estimate { a8: 3024, english: 703, maths: 578, ebacc: 820, open: 923 },
    Estimate { a8: 3230, english: 746, maths: 624, ebacc: 882, open: 978 },
    Estimate { a8: 3378, english: 773, maths: 656, ebacc: 929, open: 1019 },
    Estimate { a8: 3546, english: 806, maths: 695, ebacc: 981, open: 1064 },
    Estimate { a8: 3727, english: 839, maths: 731, ebacc: 1039, open: 1117 },
    Estimate { a8: 3894, english: 872, maths: 768, ebacc: 1090, open: 1165 },
    Estimate { a8: 4102, english: 910, maths: 813, ebacc: 1159, open: 1220 },
    Estimate { a8: 4297, english: 947, maths: 852, ebacc: 1223, open: 1275 },
    Estimate { a8: 4512, english: 985, maths: 897, ebacc: 1295, open: 1335 },
    Estimate { a8: 4745, english: 1028, maths: 945, ebacc: 1374, open: 1398 },
    Estimate { a8: 4976, english: 1070, maths: 993, ebacc: 1451, open: 1463 },
    Estimate { a8: 5257, english: 1117, maths: 1053, ebacc: 1548, open: 1539 },
    Estimate { a8: 5530, english: 1166, maths: 1108, ebacc: 1638, open: 1617 },
    Estimate { a8: 5760, english: 1206, maths: 1156, ebacc: 1716, open: 1681 },
    Estimate { a8: 6022, english: 1250, maths: 1212, ebacc: 1806, open: 1754 },
    Estimate { a8: 6286, english: 1299, maths: 1263, ebacc: 1891, open: 1833 },
    Estimate { a8: 6546, english: 1339, maths: 1320, ebacc: 1981, open: 1907 },
    Estimate { a8: 6816, english: 1382, maths: 1377, ebacc: 2073, open: 1983 },
    Estimate { a8: 7060, english: 1423, maths: 1429, ebacc: 2153, open: 2055 },
    Estimate { a8: 7315, english: 1460, maths: 1490, ebacc: 2235, open: 2130 },
    Estimate { a8: 7546, english: 1495, maths: 1542, ebacc: 2310, open: 2199 },
    Estimate { a8: 7726, english: 1526, maths: 1577, ebacc: 2369, open: 2254 },
    Estimate { a8: 7974, english: 1570, maths: 1626, ebacc: 2442, open: 2336 },
    Estimate { a8: 8203, english: 1614, maths: 1671, ebacc: 2502, open: 2415 },
];

/// Standard deviation of pupils' scores in millionths: Progress 8, then English, mathematics, EBacc, open.
pub const PUPIL_SD_2024: [u32; 5] = [1_416_280, 1_614_052, 1_487_134, 1_637_291, 1_616_699];
