//! Twelve words as a QR code: blocks for a terminal, SVG for a page. Must not know what the words are of.

use qrcodegen::{QrCode, QrCodeEcc};

/// Quiet modules around the code, which readers need (ISO/IEC 18004).
const QUIET: i32 = 4;

/// The code of a text of a few words. Capitals take less room, and read back as the same words.
fn code(text: &str) -> QrCode {
    QrCode::encode_text(&text.to_uppercase(), QrCodeEcc::Medium)
        .expect("INVARIANT: twelve words of at most eight letters fit a code")
}

/// Whether each module is dark, row by row, the quiet border with them.
fn modules(code: &QrCode) -> Vec<Vec<bool>> {
    let places = -QUIET..code.size() + QUIET;
    places.clone().map(|y| places.clone().map(|x| code.get_module(x, y)).collect()).collect()
}

/// For a terminal: two rows a line, light on dark as most terminals are. Readers take either.
pub fn blocks(text: &str) -> String {
    let rows = modules(&code(text));
    let line = |pair: &[Vec<bool>]| -> String {
        let below = |x: usize| pair.get(1).is_none_or(|row| !row[x]);
        let of = |(x, dark): (usize, &bool)| match (!dark, below(x)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        };
        pair[0].iter().enumerate().map(of).collect()
    };
    rows.chunks(2).map(|pair| line(pair) + "\n").collect()
}

/// For a page, dark on light, with its name for who does not see it.
pub fn svg(text: &str, name: &str) -> String {
    let rows = modules(&code(text));
    let mut path = String::new();
    for (y, row) in rows.iter().enumerate() {
        for (x, _) in row.iter().enumerate().filter(|(_, dark)| **dark) {
            path += &format!("M{x} {y}h1v1h-1z");
        }
    }
    format!(
        "<svg class=\"qr\" role=\"img\" aria-label=\"{0}\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {1} {1}\" shape-rendering=\"crispEdges\">\n<title>{0}</title>\n<rect width=\"{1}\" height=\"{1}\" fill=\"#ffffff\" />\n<path d=\"{path}\" fill=\"#000000\" />\n</svg>\n",
        crate::html::text(name),
        rows.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_shows_the_same_modules_on_screen_and_on_paper() {
        let text = "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong";
        let (rows, shown) = (modules(&code(text)), blocks(text));
        let width = rows.len();
        assert!((29..=45).contains(&width), "{width}");
        let dark = rows.iter().flatten().filter(|dark| **dark).count();
        assert_eq!(svg(text, "words").matches("h1v1h-1z").count(), dark);
        let lines: Vec<Vec<char>> = shown.lines().map(|line| line.chars().collect()).collect();
        for (y, row) in rows.iter().enumerate() {
            for (x, dark) in row.iter().enumerate() {
                let light = match lines[y / 2][x] {
                    '█' => true,
                    '▀' => y % 2 == 0,
                    '▄' => y % 2 == 1,
                    _ => false,
                };
                assert_eq!(light, !dark, "{x} {y}");
            }
        }
        // The three corners that readers look for, inside the border.
        for (x, y) in [(4, 4), (width - 11, 4), (4, width - 11)] {
            assert!((0..7).all(|i| rows[y][x + i] && rows[y + i][x] && !rows[y + 1][x + 1]), "{x} {y}");
        }
        // Twelve words of eight letters fit.
        assert!(svg(&["abstract"; 12].join(" "), "long").contains("<path"));
    }
}
