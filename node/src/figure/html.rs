//! A figure as a part of a page: a table whose cells hold the drawing and the numbers.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{BESIDE_NOTE, CSS, Cell, DEMO_NOTE, Figure, Form, RANGE_NOTE, Row, Who, svg};

/// Shades of a matrix: q0 to q6.
const SHADES: usize = 7;

/// A line of a matrix: what its people have in common, and its cells.
type Line<'a> = (&'a [(String, String)], Vec<&'a Row>);

impl Figure {
    /// The figure as HTML: caption, drawing, numbers, notes and where they come from. Ids begin with the
    /// figure's own, so that several stand on one page.
    pub fn html(&self) -> Markup {
        html! {
            figure class={ "figure " (self.form.code()) } id=(self.id) aria-labelledby={ (self.id) "-c" } {
                @match &self.form {
                    Form::IntervalRows => (self.interval_rows(&self.rows.iter().collect::<Vec<_>>())),
                    Form::Dumbbell => (self.dumbbell()),
                    Form::Strip { at, counts } => {
                        (self.caption())
                        @if let Some(scale) = self.scale() {
                            (svg::strip(&scale, &self.rows.iter().collect::<Vec<_>>()))
                            (svg::axis(&scale, &self.unit))
                        }
                        p class="key" { (bands_text(at, counts)) }
                        (self.plain_table())
                    },
                    Form::SeriesBand { breaks } => {
                        (self.caption())
                        @if let Some(scale) = self.scale() {
                            (svg::series((&scale, &self.unit), &self.rows.iter().collect::<Vec<_>>(), 0, breaks, &self.id, &self.sentence()))
                        }
                        (self.folded_table())
                    },
                    Form::Multiples => (self.multiples()),
                    Form::Matrix => (self.matrix()),
                    Form::Meter => (self.meter()),
                    Form::Ticks => {
                        (self.caption())
                        (svg::ticks(&self.rows))
                        (self.folded_table())
                    },
                }
                (self.foot())
            }
        }
    }

    /// Title and subtitle, which name the figure.
    fn caption(&self) -> Markup {
        html! {
            figcaption id={ (self.id) "-c" } {
                strong { (self.title) }
                " " span class="subtitle" { (self.subtitle) }
                @if self.demo { " " span class="demo" { (DEMO_NOTE) } }
            }
        }
    }

    /// What a reader needs below a figure.
    fn foot(&self) -> Markup {
        let cut = self.scale().filter(super::scale::Scale::is_cut);
        let drawn = matches!(
            self.form,
            Form::IntervalRows
                | Form::Dumbbell
                | Form::Strip { .. }
                | Form::SeriesBand { .. }
                | Form::Multiples
        );
        html! {
            @if drawn {
                @if let Some(start) = cut.and_then(|scale| scale.ticks().into_iter().next()) {
                    p class="note" { "The axis starts at " (self.unit.tick(&start.1)) ", not at zero." }
                }
            }
            @if let Some(once) = self.says_once() { p class="note" { (BESIDE_NOTE) " " (once) "." } }
            @for note in &self.notes { p class="note" { (note) } }
            @if self.rows.iter().any(|row| matches!(row.cell, Cell::Estimated { .. })) { (self.why_a_range()) }
            p class="source" { (self.source) @if !self.certificate.is_empty() { " \u{b7} Certificate: " (self.certificate) } }
        }
    }

    /// Both parts of each range: what was added for privacy, and chance.
    fn why_a_range(&self) -> Markup {
        html! {
            details class="why" {
                summary { "Why is this a range?" }
                p { "The thick bar is privacy noise, added on purpose and known exactly. The thin bar holds noise and ordinary chance together: that of which people there happened to be. Its ends are the likely range (95 %)." }
                div class="scroll" role="region" tabindex="0" aria-label={ "Parts of the ranges of " (self.title) } {
                    table {
                        thead { tr { th scope="col" { "" } th scope="col" { "Privacy noise" } th scope="col" { "Ordinary chance" } } }
                        tbody {
                            @for row in &self.rows {
                                @if let Cell::Estimated { noise, chance, .. } = &row.cell {
                                    tr {
                                        th scope="row" { (self.row_name(row)) }
                                        td { "\u{b1}" (self.unit_of(row).show(noise)) }
                                        td { @if let Some(chance) = chance { "\u{b1}" (self.unit_of(row).show(chance)) } @else { "not measured" } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The cells that say a row's number: value, then range.
    fn numbers(&self, cell: &Cell) -> Markup {
        html! {
            @match cell {
                Cell::Exact { value, chance } => {
                    td role="cell" class="value" data-label="Figure" { (self.unit.show(value)) " " span class="kind" { "exact" } }
                    td role="cell" class="range" data-label="Range" { @if let Some(chance) = chance { "chance \u{b1}" (self.unit.show(chance)) } }
                },
                Cell::Estimated { value, low, high, .. } => {
                    td role="cell" class="value" data-label="Figure" { (self.unit.show(value)) }
                    td role="cell" class="range" data-label="Likely range" { (self.unit.range(low, high)) }
                },
                Cell::Suppressed | Cell::Refused | Cell::Missing => td role="cell" colspan="2" class="none" { (cell.words()) },
            }
        }
    }

    /// A table of rows, each with its drawing. Roles are written out because narrow screens lay a row out
    /// as a block, and a browser then forgets that it is a table.
    fn interval_rows(&self, rows: &[&Row]) -> Markup {
        let scale = self.scale();
        let says = rows.iter().any(|row| !self.says_of(row).is_empty());
        html! {
            (self.caption())
            table role="table" class="rows" aria-labelledby={ (self.id) "-c" } {
                thead role="rowgroup" {
                    tr role="row" {
                        th role="columnheader" scope="col" { span class="sr" { "Group" } }
                        th role="columnheader" scope="col" class="plot" {
                            span class="sr" { "Chart" }
                            @if let Some(scale) = &scale { (svg::axis(scale, &self.unit)) }
                        }
                        th role="columnheader" scope="col" { "Figure" }
                        th role="columnheader" scope="col" { "Likely range (95 %)" }
                        @if says { th role="columnheader" scope="col" { "Ours beside it" } }
                    }
                }
                tbody role="rowgroup" {
                    @for row in rows {
                        tr role="row" class=(row.who.code()) {
                            th role="rowheader" scope="row" { (self.row_name(row)) }
                            td role="cell" class="plot" { @if let Some(scale) = &scale { (svg::row(scale, row)) } }
                            (self.numbers(&row.cell))
                            @if says { td role="cell" class="says" { (row.says) } }
                        }
                    }
                }
            }
        }
    }

    /// A line a pair: both sides on one scale, joined, and the gap between them beside it in words.
    fn dumbbell(&self) -> Markup {
        let scale = self.scale();
        let says = self.rows.iter().any(|row| !self.says_of(row).is_empty());
        let signs =
            |who: Who| if who == Who::Own { ["\u{25c6}", "\u{25c7}"] } else { ["\u{25cf}", "\u{25cb}"] };
        html! {
            (self.caption())
            table role="table" class="rows" aria-labelledby={ (self.id) "-c" } {
                thead role="rowgroup" {
                    tr role="row" {
                        th role="columnheader" scope="col" { span class="sr" { "Group" } }
                        th role="columnheader" scope="col" class="plot" {
                            span class="sr" { "Chart" }
                            @if let Some(scale) = &scale { (svg::axis(scale, &self.unit)) }
                        }
                        th role="columnheader" scope="col" { "Each side" }
                        th role="columnheader" scope="col" { "The gap, likely range (95 %)" }
                        @if says { th role="columnheader" scope="col" { "Ours beside it" } }
                    }
                }
                tbody role="rowgroup" {
                    @for (first, second, gap) in self.pairs() {
                        tr role="row" class=(gap.who.code()) {
                            th role="rowheader" scope="row" { (self.row_name(gap)) }
                            td role="cell" class="plot" { @if let Some(scale) = &scale { (svg::dumbbell(scale, first, second)) } }
                            td role="cell" class="sides" {
                                @for (side, sign) in [first, second].iter().zip(signs(gap.who)) {
                                    div { span aria-hidden="true" { (sign) " " } (side.last_part()) ": " (self.said(side)) }
                                }
                            }
                            td role="cell" class="gap" { (self.said(gap)) @if matches!(gap.cell, Cell::Exact { .. }) { " " span class="kind" { "exact" } } }
                            @if says { td role="cell" class="says" { (gap.says) } }
                        }
                    }
                }
            }
            p class="key" { "Filled mark and upper bars: the first side. Hollow mark and lower bars: the second." }
        }
    }

    /// The same numbers without a drawing.
    fn plain_table(&self) -> Markup {
        html! {
            div class="scroll" role="region" tabindex="0" aria-label={ "Numbers of " (self.title) } {
                table role="table" {
                    thead role="rowgroup" { tr role="row" {
                        th role="columnheader" scope="col" { span class="sr" { "Group" } }
                        th role="columnheader" scope="col" { "Figure" }
                        th role="columnheader" scope="col" { "Likely range (95 %)" }
                    } }
                    tbody role="rowgroup" {
                        @for row in &self.rows {
                            tr role="row" { th role="rowheader" scope="row" { (self.row_name(row)) } (self.numbers(&row.cell)) }
                        }
                    }
                }
            }
        }
    }

    fn folded_table(&self) -> Markup {
        html! { details class="numbers" { summary { "All numbers" } (self.plain_table()) } }
    }

    /// One small series for each value of the first key, all on one scale.
    fn multiples(&self) -> Markup {
        let mut panels: Vec<&str> = vec![];
        for row in &self.rows {
            let panel = row.key.first().map_or("", |(_, value)| value.as_str());
            if !panels.contains(&panel) {
                panels.push(panel);
            }
        }
        html! {
            (self.caption())
            @if let Some(scale) = self.scale() {
                div class="panels" {
                    @for (n, panel) in panels.iter().enumerate() {
                        @let rows: Vec<&Row> = self.rows.iter().filter(|row| row.key.first().is_some_and(|(_, value)| value == panel)).collect();
                        div class="panel" {
                            p class="panel-name" { (panel) }
                            (svg::series((&scale, &self.unit), &rows, 1, &[], &format!("{}-{n}", self.id), &format!("{}: {panel}; its numbers are in the table", self.title)))
                        }
                    }
                }
            }
            (self.folded_table())
        }
    }

    /// Shares as a table: a line a start, a column an end; darker is more.
    fn matrix(&self) -> Markup {
        let mut ends: Vec<&str> = vec![];
        let mut lines: Vec<Line<'_>> = vec![];
        for row in &self.rows {
            let Some(((_, end), start)) = row.key.split_last() else { continue };
            if !ends.contains(&end.as_str()) {
                ends.push(end);
            }
            match lines.last_mut() {
                Some((begun, cells)) if *begun == start => cells.push(row),
                _ => lines.push((start, vec![row])),
            }
        }
        let most =
            self.rows.iter().filter_map(|row| row.cell.value()).map(super::Number::value).fold(0.0, f64::max);
        let names = self.rows.first().map_or(&[][..], |row| row.key.as_slice());
        let across = names.last().map_or("", |(name, _)| name.as_str());
        html! {
            (self.caption())
            div class="scroll" role="region" tabindex="0" aria-label={ "Numbers of " (self.title) } {
                table class="matrix" {
                    thead {
                        tr {
                            @for (name, _) in names.iter().take(names.len().saturating_sub(1)) { th scope="col" rowspan="2" { (name) } }
                            th scope="colgroup" colspan=(ends.len()) { (across) }
                        }
                        tr { @for end in &ends { th scope="col" { (end) } } }
                    }
                    tbody {
                        @for (start, cells) in &lines {
                            tr {
                                @for (_, value) in *start { th scope="row" { (value) } }
                                @for end in &ends {
                                    @let row = cells.iter().find(|row| row.key.last().is_some_and(|(_, value)| value == end));
                                    (self.matrix_cell(row.map(|row| &row.cell), most))
                                }
                            }
                        }
                    }
                }
            }
            p class="key" { "Darker is more. Hatched: " (Cell::Suppressed.words().to_lowercase()) "." }
        }
    }

    fn matrix_cell(&self, cell: Option<&Cell>, most: f64) -> Markup {
        html! {
            @match cell {
                Some(Cell::Estimated { value, low, high, .. }) => td class=(shade(value.value(), most)) {
                    (self.unit.show(value)) span class="range" { " " (self.unit.range(low, high)) }
                },
                Some(Cell::Exact { value, .. }) => td class=(shade(value.value(), most)) { (self.unit.show(value)) },
                Some(Cell::Suppressed) => td class="low" { span class="sr" { (Cell::Suppressed.words()) } span aria-hidden="true" { "\u{b7}" } },
                Some(Cell::Refused) => td { "refused" },
                Some(Cell::Missing) | None => td { span class="sr" { (Cell::Missing.words()) } },
            }
        }
    }

    /// A budget: rows are used, reserved and left, in points.
    fn meter(&self) -> Markup {
        let part =
            |at: usize| self.rows.get(at).and_then(|row| row.cell.value()).map_or(0.0, super::Number::value);
        let (used, reserved, left) = (part(0), part(1), part(2));
        html! {
            (self.caption())
            (svg::meter(used, reserved, used + reserved + left))
            ul class="parts" {
                @for (n, row) in self.rows.iter().enumerate() {
                    li { span class={ "swatch s" (n) } aria-hidden="true" {} (row.label()) ": " strong { (self.said(row)) } }
                }
            }
        }
    }
}

/// Figures as a page of their own, to be kept or printed; ours are in it if they are in the figures.
pub fn page_of(figures: &[Figure]) -> String {
    let title = figures.first().map_or("datacoop", |figure| figure.title.as_str());
    let page = html! {
        (DOCTYPE)
        html lang="en-GB" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(CSS)) }
            }
            body class="alone" {
                main {
                    h1 { (title) }
                    @for figure in figures { (figure.html()) }
                    p { (RANGE_NOTE) }
                }
            }
        }
    };
    page.into_string()
}

/// What the bands of a spread hold, from the parts that its edges stand for.
fn bands_text(at: &[f64], counts: &str) -> String {
    let middle =
        |n: usize| at.get(n).zip(at.get(at.len() - 1 - n)).map_or(0.0, |(low, high)| 100.0 * (high - low));
    let mut text = match at.len() {
        0 | 1 => String::new(),
        2 | 3 => format!("The band holds the middle {:.0} in 100 {counts}", middle(0)),
        _ => format!(
            "The band holds the middle {:.0} in 100 {counts}, the darker part the middle {:.0}",
            middle(0),
            middle(1)
        ),
    };
    if !text.is_empty() {
        text += "; faded edges are likely ranges";
    }
    if at.len() > 2 && at.len() % 2 == 1 {
        text += "; the line is the median";
    }
    text
}

/// The class of a shade: equal steps from nothing to the greatest share shown.
fn shade(value: f64, most: f64) -> &'static str {
    const CLASSES: [&str; SHADES] = ["q0", "q1", "q2", "q3", "q4", "q5", "q6"];
    if most <= 0.0 {
        return CLASSES[0];
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place on a drawing, not a count"
    )]
    let step = (value / most * SHADES as f64).clamp(0.0, (SHADES - 1) as f64) as usize;
    CLASSES[step]
}

impl Figure {
    /// Whether it shows a figure of ours, which never leaves this computer.
    pub fn has_own(&self) -> bool {
        self.rows.iter().any(|row| row.who == Who::Own)
    }
}
