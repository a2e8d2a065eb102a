use std::collections::BTreeSet;

use super::gallery::gallery;
use super::*;

fn of_gallery(id: &str) -> Figure {
    gallery().into_iter().find(|figure| figure.id == id).unwrap()
}

/// Every number of a figure as it is written, with its unit's sign.
fn digits(figure: &Figure) -> Vec<String> {
    let shown = |row: &Row| -> Vec<String> {
        match &row.cell {
            Cell::Exact { value, .. } => vec![value.text().to_owned()],
            Cell::Estimated { value, low, high, .. } => {
                [value, low, high].map(|number| number.text().to_owned()).to_vec()
            }
            Cell::Suppressed | Cell::Refused | Cell::Missing => vec![],
        }
    };
    figure.rows.iter().flat_map(shown).collect()
}

/// The digits of a number as people read it, all apart.
fn in_text(text: &str) -> BTreeSet<String> {
    let plain = text.replace('\u{2212}', "-");
    let apart = plain.split(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-')));
    apart.map(|part| part.trim_end_matches('.').to_owned()).collect()
}

#[test]
fn every_rendering_carries_the_same_numbers() {
    for figure in gallery() {
        let renderings = [
            ("html", figure.html().into_string()),
            ("csv", csv_of(std::slice::from_ref(&figure), true)),
            ("json", figure.json().to_string()),
            ("terminal", figure.terminal(Terminal::Drawn)),
            ("ascii", figure.terminal(Terminal::Ascii)),
        ];
        let numbers = digits(&figure);
        assert!(!numbers.is_empty(), "{}", figure.id);
        for (name, text) in renderings {
            let found = in_text(&text);
            for number in &numbers {
                assert!(found.contains(number), "{} as {name} lacks {number}:\n{text}", figure.id);
            }
        }
        assert!(figure.terminal(Terminal::Ascii).is_ascii(), "{}", figure.terminal(Terminal::Ascii));
    }
}

#[test]
fn every_form_is_in_the_gallery_and_every_place_is_on_the_page() {
    let forms: BTreeSet<&str> = gallery().iter().map(|figure| figure.form.code()).collect();
    assert_eq!(forms.len(), 8);
    for figure in gallery() {
        let html = figure.html().into_string();
        let values = html.split("=\"").skip(1).filter_map(|rest| rest.split('"').next());
        for at in values.filter_map(|value| value.strip_suffix('%')?.parse::<f64>().ok()) {
            assert!((0.0..=100.0).contains(&at), "{}: {at}%", figure.id);
        }
        assert!(!html.contains("style="), "the pages' policy allows none");
        let ids: Vec<&str> =
            html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap_or("")).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
        let mut reader = quick_xml::Reader::from_str(&html);
        let mut next =
            || reader.read_event().unwrap_or_else(|error| panic!("{}: {error}\n{html}", figure.id));
        while next() != quick_xml::events::Event::Eof {}
    }
}

#[test]
fn what_others_wrote_is_no_markup_and_no_formula() {
    let mut figure = of_gallery("g-beside");
    figure.title = "=cmd|'/C calc'!A0 <script>alert(1)</script> \u{1b}[2J".into();
    figure.rows[0].key[0].1 = "<img src=x onerror=alert(1)>".into();
    let html = figure.html().into_string();
    assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
    assert!(
        csv_of(std::slice::from_ref(&figure), true).lines().nth(1).unwrap().contains(",'=cmd"),
        "{}",
        csv_of(std::slice::from_ref(&figure), true)
    );
    assert!(!figure.terminal(Terminal::Drawn).contains('\u{1b}'));
}

#[test]
fn own_figures_leave_a_csv_unless_asked_for() {
    let figure = of_gallery("g-beside");
    assert!(figure.has_own());
    let (without, with) =
        (csv_of(std::slice::from_ref(&figure), false), csv_of(std::slice::from_ref(&figure), true));
    assert!(!without.contains("21.6") && !without.contains("own"), "{without}");
    assert!(with.contains("21.6") && with.contains("do not publish"), "{with}");
    assert!(without.contains(DEMO_NOTE) && figure.html().into_string().contains(DEMO_NOTE));
}

#[test]
fn not_shown_zero_missing_and_refused_are_four_things() {
    let zero = Cell::Exact { value: Number::whole(0), chance: None };
    let cells = [zero, Cell::Suppressed, Cell::Missing, Cell::Refused];
    let mut figure = of_gallery("g-event");
    figure.rows = cells.into_iter().map(|cell| Row::new([("Group", "x")], Who::Cluster, cell)).collect();
    let html = figure.html().into_string();
    let said: BTreeSet<String> = figure.rows.iter().map(|row| figure.said(row)).collect();
    assert_eq!(said.len(), 4);
    for words in ["0 pp", "Not shown: too few", "Nothing measured", "Refused"] {
        assert!(html.contains(words), "{words}: {html}");
    }
}

/// A catalogue question gives quartiles only: its one band is the middle half.
#[test]
fn a_spread_says_what_its_bands_hold() {
    let mut figure = of_gallery("g-strip");
    let said = "the middle 80 in 100 pupils, the darker part the middle 50";
    assert!(figure.html().into_string().contains(said), "{}", figure.html().into_string());
    figure.rows.retain(|row| !row.label().contains("ten"));
    figure.form = Form::Strip { at: vec![0.25, 0.5, 0.75], counts: "pupils".into() };
    let html = figure.html().into_string();
    assert!(html.contains("holds the middle 50 in 100 pupils;") && !html.contains("darker"), "{html}");
}

#[test]
fn a_figure_without_numbers_is_still_a_page() {
    for mut figure in gallery() {
        figure.rows.clear();
        assert!(!figure.html().into_string().contains("NaN"), "{}", figure.id);
        assert!(!figure.terminal(Terminal::Drawn).is_empty());
    }
}

/// Contrast as WCAG 2.2 counts it, of each colour that UI section 4 names.
#[test]
fn colours_are_readable() {
    fn luminance(hex: &str) -> f64 {
        let part = |at: usize| {
            let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
    }
    let contrast = |a: &str, b: &str| {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    };
    let css = CSS;
    let tokens = |block: &str| -> Vec<(String, String)> {
        block
            .split(';')
            .filter_map(|line| line.rsplit_once(':'))
            .filter_map(|(name, value)| {
                Some((
                    name.rsplit("--").next()?.trim().to_owned(),
                    value.trim().strip_prefix('#')?.to_owned(),
                ))
            })
            .collect()
    };
    let mut blocks = css.split(":root {").skip(1).map(|rest| rest.split('}').next().unwrap());
    let (light, dark) = (tokens(blocks.next().unwrap()), tokens(blocks.next().unwrap()));
    for (palette, back) in [(&light, "ffffff"), (&dark, "10181F")] {
        for (name, least) in [
            ("ink", 7.0),
            ("muted", 4.5),
            ("border", 3.0),
            ("cluster", 4.5),
            ("own", 3.0),
            ("own-text", 4.5),
            ("link", 4.5),
            ("error", 4.5),
            ("promised", 3.0),
        ] {
            let (_, colour) =
                palette.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}"));
            assert!(contrast(colour, back) >= least, "{name} {colour}: {}", contrast(colour, back));
        }
    }
    for (n, text) in ["14202B", "14202B", "14202B", "14202B", "ffffff", "ffffff", "ffffff"].iter().enumerate()
    {
        let (_, colour) = light.iter().find(|(name, _)| *name == format!("q{n}")).unwrap();
        assert!(contrast(colour, text) >= 4.5, "q{n}");
    }
}

/// Rows of a figure whose drawing is kept too.
const SNAPSHOT_ROWS_MAX: usize = 12;

/// The figures of the gallery, and those that are hard to draw.
fn snapshot_figures() -> Vec<(String, Figure)> {
    let mut all: Vec<(String, Figure)> =
        gallery().into_iter().map(|figure| (figure.id.clone(), figure)).collect();
    let mut changed = |name: &str, change: &dyn Fn(&mut Figure)| {
        let mut figure = of_gallery("g-event");
        change(&mut figure);
        all.push((name.to_owned(), figure));
    };
    let estimated = |value: &str, low: &str, high: &str| Cell::Estimated {
        value: Number::parse(value).unwrap(),
        low: Number::parse(low).unwrap(),
        high: Number::parse(high).unwrap(),
        noise: Number::parse("0.1").unwrap(),
        chance: None,
    };
    changed("one row", &|figure| figure.rows.truncate(1));
    changed("none", &|figure| figure.rows.clear());
    changed("all suppressed", &|figure| figure.rows.iter_mut().for_each(|row| row.cell = Cell::Suppressed));
    changed("a count below zero", &|figure| {
        figure.unit = Unit::Count("pupils".into());
        figure.rows.truncate(1);
        figure.rows[0].cell = estimated("-3", "-9", "3");
    });
    changed("very wide", &|figure| {
        figure.rows.truncate(2);
        figure.rows[0].cell = estimated("0.5", "-98765.4", "98766.4");
    });
    changed("a long label", &|figure| {
        figure.rows.truncate(1);
        figure.rows[0].key[0].1 = "Pupils whom nobody would name in so many words ".repeat(3);
    });
    all
}

/// What is drawn changes only where somebody meant it: `snapshot.txt` is compared, and written anew by hand with
/// `DATACOOP_WRITE_GOLDEN=1`, to be read before it is kept.
#[test]
fn figures_look_as_they_did() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/figure/snapshot.txt");
    let found: String = snapshot_figures()
        .iter()
        .map(|(name, figure)| {
            let svg = figure.html().into_string().replace("><", ">\n<");
            // Of figures of many rows the numbers are enough.
            let few = figure.rows.len() <= SNAPSHOT_ROWS_MAX;
            let lines = svg.lines().filter(|line| few && !line.contains("class=\"grid\""));
            let drawn: Vec<&str> = lines.collect();
            format!(
                "## {name}\n{}\n{}\n{}{}\n\n",
                figure.terminal(Terminal::Ascii),
                figure.sentence(),
                csv_of(std::slice::from_ref(figure), true).replace("\r\n", "\n"),
                drawn.join("\n")
            )
        })
        .collect();
    if std::env::var_os("DATACOOP_WRITE_GOLDEN").is_some() {
        std::fs::write(path, &found).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    let line = kept.lines().zip(found.lines()).find(|(kept, found)| kept != found);
    assert!(kept == found, "figures look otherwise; first: {line:?}");
}
