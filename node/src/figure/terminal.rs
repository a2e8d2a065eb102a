//! A figure for a terminal: the same rows, drawn with characters.

use super::scale::Scale;
use super::{BESIDE_NOTE, Cell, DEMO_NOTE, Figure, Form, Row, Who};
use crate::cli::{plain, table_of, wrapped};

/// Characters of a drawing.
const DRAWN: usize = 22;
/// Widest name of a row; longer ones are cut.
const NAME_MAX: usize = 44;

/// How a terminal is drawn on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Terminal {
    /// Lines and marks.
    Drawn,
    /// Plain characters only.
    Ascii,
}

impl Terminal {
    /// (ordinary chance, noise, cluster's mark, own mark).
    fn signs(self) -> [char; 4] {
        match self {
            Self::Drawn => ['\u{2500}', '\u{2501}', '\u{25cf}', '\u{25c6}'],
            Self::Ascii => ['-', '=', 'o', '*'],
        }
    }

    fn text(self, text: &str) -> String {
        match self {
            Self::Drawn => text.to_owned(),
            Self::Ascii => {
                text.replace(['\u{2212}', '\u{2500}'], "-").replace('\u{b1}', "+-").replace('\u{b7}', "|")
            }
        }
    }
}

/// A text in so many columns.
fn column(text: &str, width: usize) -> String {
    let chars = text.chars().count();
    if chars > width {
        let cut: String = text.chars().take(width.saturating_sub(1)).collect();
        return cut + "~";
    }
    format!("{text}{}", " ".repeat(width - chars))
}

/// Which character a place falls on.
fn place(scale: &Scale, value: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place on a drawing, not a count"
    )]
    let at = (scale.at(value) / 100.0 * (DRAWN - 1) as f64).round() as usize;
    at.min(DRAWN - 1)
}

/// A row's bars and mark.
fn drawing(scale: &Scale, row: &Row, terminal: Terminal) -> String {
    let [chance, noise, cluster, own] = terminal.signs();
    let mut line = vec![' '; DRAWN];
    if scale.has_zero_inside() {
        line[place(scale, 0.0)] = if terminal == Terminal::Ascii { '|' } else { '\u{2502}' };
    }
    let mut fill = |low: f64, high: f64, sign: char| {
        line[place(scale, low)..=place(scale, high)].fill(sign);
    };
    if let Some((low, high)) = row.cell.ends() {
        fill(low, high, chance);
    }
    if let Some((low, high)) = row.cell.noise_ends() {
        fill(low, high, noise);
    }
    if let Some(value) = row.cell.value() {
        line[place(scale, value.value())] = if row.who == Who::Own { own } else { cluster };
    }
    line.into_iter().collect()
}

/// A text of others in lines of our making.
fn prose(text: &str) -> String {
    wrapped(&plain(text)).trim_end().to_owned()
}

impl Figure {
    /// The figure as lines of text, without a line's end after the last.
    pub fn terminal(&self, terminal: Terminal) -> String {
        let mut lines = vec![prose(&self.title), prose(&self.subtitle)];
        if self.demo {
            lines.push(DEMO_NOTE.into());
        }
        lines.push(String::new());
        match self.form {
            Form::Meter => lines.push(self.meter_line(terminal)),
            Form::Matrix => lines.extend(self.matrix_lines()),
            Form::IntervalRows
            | Form::Dumbbell
            | Form::Strip { .. }
            | Form::SeriesBand { .. }
            | Form::Multiples
            | Form::Ticks => lines.extend(self.row_lines(terminal)),
        }
        lines.push(String::new());
        lines.extend(self.says_once().map(|once| prose(&format!("{BESIDE_NOTE} {once}."))));
        lines.extend(self.notes.iter().map(|note| prose(note)));
        let source = self.source.trim_end_matches('.');
        lines.push(prose(&match self.certificate.is_empty() {
            true => format!("{source}."),
            false => format!("{source}. Certificate: {}", self.certificate),
        }));
        let text: Vec<String> = lines.iter().map(|line| terminal.text(line.trim_end())).collect();
        text.join("\n")
    }

    fn row_lines(&self, terminal: Terminal) -> Vec<String> {
        let names: Vec<String> = self.rows.iter().map(|row| plain(&self.row_name(row))).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(NAME_MAX);
        let scale = self.scale();
        let mut lines = vec![];
        if let Some(scale) = &scale {
            let ticks = scale.ticks();
            let (first, last) = (self.unit.tick(&ticks[0].1), self.unit.tick(&ticks[ticks.len() - 1].1));
            let gap = DRAWN.saturating_sub(first.chars().count() + last.chars().count());
            lines.push(format!("  {}  {first}{}{last}", " ".repeat(width), " ".repeat(gap)));
        }
        for (row, name) in self.rows.iter().zip(&names) {
            let scale = scale.as_ref().filter(|_| row.gap.is_none());
            let drawn = scale.map_or_else(String::new, |scale| drawing(scale, row, terminal));
            let exact =
                if matches!(row.cell, Cell::Exact { .. }) && row.who == Who::Own { "exact, " } else { "" };
            lines.push(format!(
                "  {}  {}  {exact}{}",
                column(name, width),
                column(&drawn, DRAWN),
                self.said(row)
            ));
            let says = self.says_of(row);
            lines.extend(prose(says).lines().map(|line| format!("      {line}")));
        }
        lines
    }

    /// A line a start, a column an end.
    fn matrix_lines(&self) -> Vec<String> {
        let (mut ends, mut lines): (Vec<String>, Vec<Vec<String>>) = (vec![], vec![]);
        for row in &self.rows {
            let Some(((_, end), start)) = row.key.split_last() else { continue };
            let end = plain(end);
            if !ends.contains(&end) {
                ends.push(end);
            }
            let start: Vec<String> = start.iter().map(|(_, value)| plain(value)).collect();
            if lines.last().is_none_or(|line| line[..start.len()] != start) {
                lines.push(start);
            }
            let cell = match &row.cell {
                Cell::Estimated { value, low, high, .. } => format!("{value} [{low},{high}]"),
                Cell::Exact { value, .. } => value.to_string(),
                Cell::Suppressed | Cell::Refused | Cell::Missing => "\u{b7}".to_owned(),
            };
            if let Some(line) = lines.last_mut() {
                line.push(cell);
            }
        }
        let names = self.rows.first().map_or(&[][..], |row| row.key.as_slice());
        let (across, starts) = names.split_last().map_or(("", &[][..]), |((name, _), starts)| (name, starts));
        let header = starts.iter().map(|(name, _)| plain(name)).chain(ends).collect();
        let table = table_of(header, lines);
        let key = format!(
            "{}; likely ranges (95 %) in brackets; \u{b7} is too few people or too wide a range.",
            plain(across)
        );
        table.lines().map(str::to_owned).chain([key]).collect()
    }

    /// A budget as one bar and its words.
    fn meter_line(&self, terminal: Terminal) -> String {
        let parts: Vec<f64> =
            self.rows.iter().map(|row| row.cell.value().map_or(0.0, super::Number::value)).collect();
        let all: f64 = parts.iter().sum();
        let signs =
            if terminal == Terminal::Ascii { ['#', '=', '.'] } else { ['\u{2588}', '\u{2592}', '\u{2591}'] };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place on a drawing, not a count"
        )]
        let wide = |part: f64| if all > 0.0 { (part / all * DRAWN as f64).round() as usize } else { 0 };
        let bar: String =
            parts.iter().zip(signs).map(|(part, sign)| sign.to_string().repeat(wide(*part))).collect();
        let words: Vec<String> =
            self.rows.iter().map(|row| format!("{} {}", plain(&row.label()), self.said(row))).collect();
        format!("  {}  {}", column(&bar, DRAWN), words.join(", "))
    }
}
