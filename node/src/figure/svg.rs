//! The drawn part of each form. Places are percent of the width, so a drawing is right at any size; every
//! number drawn here stands as text in the table beside it, and the drawing is hidden from screen readers
//! unless it stands alone.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::scale::Scale;
use super::{Row, Unit, Who};

/// Height of a row's drawing, px: two bars and a mark of 10 px with air.
const ROW_HEIGHT: u32 = 26;
/// Height of a pair's drawing, px, and where its two sides stand in it.
const DUMBBELL_HEIGHT: u32 = 44;
const DUMBBELL_LANES: [u32; 2] = [13, 31];
/// Height of a series, px.
const SERIES_HEIGHT: u32 = 220;
/// Narrowest drawings, px: a column of rows on paper, a series on a screen of 320 px, a panel of several.
const COLUMN_WIDTH_MIN: f64 = 100.0;
const SERIES_WIDTH_MIN: f64 = 280.0;
const PANEL_WIDTH_MIN: f64 = 215.0;
/// A character of a label at 13 px in the widest of the usual fonts, a percent sign, and the air between two labels.
const LABEL_CHARACTER: f64 = 8.3;
const LABEL_PERCENT: f64 = 12.4;
const LABEL_APART: f64 = 7.0;

/// A place in percent; two decimals are a hundredth of a pixel.
fn pct(at: f64) -> String {
    format!("{at:.2}%")
}

/// A mark at a place: shape as well as colour says whose it is.
fn mark(who: Who, x: f64, y: &str) -> Markup {
    html! {
        svg x=(pct(x)) y=(y) overflow="visible" {
            @match who {
                Who::Own => path class="own" d="M0 -6.5 L6.5 0 L0 6.5 L-6.5 0 Z" {},
                Who::Cluster | Who::Plain => circle class="cluster" r="5" {},
            }
        }
    }
}

/// Width of a label, px.
fn label_width(label: &str) -> f64 {
    label.chars().map(|c| if c == '%' { LABEL_PERCENT } else { LABEL_CHARACTER }).sum()
}

/// Which labels fit on a drawing of its narrowest width without touching, with how each is anchored: as many as do,
/// evenly, and that of `keep` among them. Places are percent, rising.
fn fitting(labels: &[(f64, String)], width: f64, keep: usize) -> Vec<(usize, &'static str)> {
    let placed = |n: usize| {
        let (x, wide) = (labels[n].0 * width / 100.0, label_width(&labels[n].1));
        match (x - wide / 2.0 < 0.0, x + wide / 2.0 > width) {
            (true, _) => ("start", x, x + wide),
            (false, true) => ("end", x - wide, x),
            (false, false) => ("middle", x - wide / 2.0, x + wide / 2.0),
        }
    };
    let fit = |chosen: &[usize]| {
        let inside = chosen.iter().all(|n| placed(*n).1 >= 0.0 && placed(*n).2 <= width);
        inside && chosen.windows(2).all(|two| placed(two[0]).2 + LABEL_APART <= placed(two[1]).1)
    };
    let evenly = (1..=labels.len())
        .map(|every| (0..labels.len()).filter(|n| n % every == keep % every).collect::<Vec<usize>>());
    // Two say how far it is from one to the other; one alone does not.
    let ends = [vec![0, labels.len().saturating_sub(1)], vec![keep]];
    let chosen = evenly.filter(|chosen| chosen.len() > 1).chain(ends).find(|chosen| fit(chosen));
    chosen.unwrap_or_default().into_iter().map(|n| (n, placed(n).0)).collect()
}

/// The ticks of a scale as the head of a column of rows, zero among them where it is on it.
pub(super) fn axis(scale: &Scale, unit: &Unit) -> Markup {
    let labels: Vec<(f64, String)> =
        scale.ticks().into_iter().map(|(at, label)| (scale.at(at), unit.tick(&label))).collect();
    html! {
        svg class="axis" aria-hidden="true" focusable="false" width="100%" height="20" {
            @for (n, anchor) in fitting(&labels, COLUMN_WIDTH_MIN, scale.zero_tick()) {
                text class="tick" x=(pct(labels[n].0)) y="14" text-anchor=(anchor) { (labels[n].1) }
            }
        }
    }
}

/// One row: ordinary chance and noise together thin, noise alone thick, and the mark.
pub(super) fn row(scale: &Scale, row: &Row) -> Markup {
    let class = match row.who {
        Who::Own => "own",
        Who::Cluster | Who::Plain => "cluster",
    };
    html! {
        svg class="marks" aria-hidden="true" focusable="false" width="100%" height=(ROW_HEIGHT) {
            @for (at, _) in scale.ticks() { line class="grid" x1=(pct(scale.at(at))) x2=(pct(scale.at(at))) y1="0" y2="100%" {} }
            @if scale.has_zero_inside() { line class="zero" x1=(pct(scale.at(0.0))) x2=(pct(scale.at(0.0))) y1="0" y2="100%" {} }
            @if let Some((low, high)) = row.cell.ends() {
                line class={ "chance " (class) } x1=(pct(scale.at(low))) x2=(pct(scale.at(high))) y1="50%" y2="50%" {}
            }
            @if let Some((low, high)) = row.cell.noise_ends() {
                line class="noise" x1=(pct(scale.at(low))) x2=(pct(scale.at(high))) y1="50%" y2="50%" {}
            }
            @if let Some(value) = row.cell.value() { (mark(row.who, scale.at(value.value()), "50%")) }
        }
    }
}

/// Two sides on one scale, the first above the second, joined from mark to mark.
pub(super) fn dumbbell(scale: &Scale, first: &Row, second: &Row) -> Markup {
    let class = if first.who == Who::Own { "own" } else { "cluster" };
    let sides = [(first, DUMBBELL_LANES[0], ""), (second, DUMBBELL_LANES[1], " hollow")];
    let place = |row: &Row| row.cell.value().map(|value| pct(scale.at(value.value())));
    html! {
        svg class="marks" aria-hidden="true" focusable="false" width="100%" height=(DUMBBELL_HEIGHT) {
            @for (at, _) in scale.ticks() { line class="grid" x1=(pct(scale.at(at))) x2=(pct(scale.at(at))) y1="0" y2="100%" {} }
            @for (row, y, _) in &sides {
                @if let Some((low, high)) = row.cell.ends() {
                    line class={ "chance " (class) } x1=(pct(scale.at(low))) x2=(pct(scale.at(high))) y1=(y) y2=(y) {}
                }
                @if let Some((low, high)) = row.cell.noise_ends() {
                    line class="noise" x1=(pct(scale.at(low))) x2=(pct(scale.at(high))) y1=(y) y2=(y) {}
                }
            }
            @if let (Some(x1), Some(x2)) = (place(first), place(second)) {
                line class="join" x1=(x1) x2=(x2) y1=(DUMBBELL_LANES[0]) y2=(DUMBBELL_LANES[1]) {}
            }
            @for (row, y, hollow) in &sides {
                @if let Some(value) = row.cell.value() {
                    svg x=(pct(scale.at(value.value()))) y=(y) overflow="visible" {
                        @match row.who {
                            Who::Own => path class={ "own" (hollow) } d="M0 -6.5 L6.5 0 L0 6.5 L-6.5 0 Z" {},
                            Who::Cluster | Who::Plain => circle class={ "cluster" (hollow) } r="5" {},
                        }
                    }
                }
            }
        }
    }
}

/// A spread: bands between the outer and the inner pair, whose edges fade over their likely ranges.
pub(super) fn strip(scale: &Scale, rows: &[&Row]) -> Markup {
    let of = |who: Who| rows.iter().filter(move |row| row.who == who);
    let edges: Vec<&&Row> = of(Who::Cluster).filter(|row| row.cell.value().is_some()).collect();
    let place = |row: &Row| row.cell.value().map_or(0.0, |value| scale.at(value.value()));
    let pairs = edges.len() / 2;
    html! {
        svg class="strip" aria-hidden="true" focusable="false" width="100%" height="64" {
            @for (at, _) in scale.ticks() { line class="grid" x1=(pct(scale.at(at))) x2=(pct(scale.at(at))) y1="0" y2="100%" {} }
            @for pair in 0..pairs {
                @let (left, right) = (place(edges[pair]), place(edges[edges.len() - 1 - pair]));
                rect class=(if pair == 0 { "outer" } else { "inner" }) x=(pct(left)) width=(pct((right - left).max(0.0)))
                    y=(if pair == 0 { 22 } else { 16 }) height=(if pair == 0 { 20 } else { 32 }) {}
            }
            @for row in &edges {
                @if let Some((low, high)) = row.cell.ends() {
                    rect class="edge" x=(pct(scale.at(low))) width=(pct(scale.at(high) - scale.at(low))) y="16" height="32" {}
                }
            }
            @if edges.len() % 2 == 1 {
                @let middle = pct(place(edges[pairs]));
                line class="median" x1=(middle) x2=(middle) y1="12" y2="52" {}
            }
            @for row in of(Who::Own) {
                @if row.cell.value().is_some() {
                    (mark(Who::Own, place(row), "32"))
                    svg x=(pct(place(row))) y="10" overflow="visible" { text class="own" text-anchor="middle" { "Ours" } }
                }
            }
        }
    }
}

/// Points of a series as a path; a missing period ends one line and the next begins another.
fn line_path(places: &[Option<(f64, f64)>]) -> String {
    let mut path = String::new();
    let mut pen_down = false;
    for place in places {
        match place {
            Some((x, y)) => {
                let _ = write!(path, "{}{x:.2} {y:.2} ", if pen_down { "L" } else { "M" });
                pen_down = true;
            }
            None => pen_down = false,
        }
    }
    path
}

/// The band between low and high, one closed piece for each stretch without a gap.
fn band_path(ends: &[Option<(f64, f64, f64)>]) -> String {
    let mut path = String::new();
    for stretch in ends.split(Option::is_none) {
        let known: Vec<(f64, f64, f64)> = stretch.iter().copied().flatten().collect();
        if known.len() < 2 {
            continue;
        }
        let over = known.iter().map(|(x, _, high)| format!("{x:.2} {high:.2}"));
        let back = known.iter().rev().map(|(x, low, _)| format!("{x:.2} {low:.2}"));
        let all: Vec<String> = over.chain(back).collect();
        let _ = write!(path, "M{} Z ", all.join(" L"));
    }
    path
}

/// A line over periods with its 95 % band. `rows` are of one series in order; ours are marked, not joined
/// to the cluster's.
pub(super) fn series(
    (scale, unit): (&Scale, &Unit),
    rows: &[&Row],
    period: usize,
    breaks: &[usize],
    name: &str,
    desc: &str,
) -> Markup {
    let names: Vec<&str> = {
        let mut names: Vec<&str> = vec![];
        for row in rows {
            let name = row.key.get(period).map_or("", |(_, value)| value.as_str());
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    };
    #[expect(clippy::cast_precision_loss, reason = "a place on a drawing, not a count")]
    let x_of = |n: usize| 100.0 * (n as f64 + 0.5) / names.len().max(1) as f64;
    let of = |who: Who, name: &str| {
        rows.iter().find(|row| row.who == who && row.key.get(period).is_some_and(|(_, value)| value == name))
    };
    let theirs: Vec<Option<&&Row>> =
        names.iter().map(|name| of(Who::Cluster, name).or_else(|| of(Who::Plain, name))).collect();
    let y = |value: f64| 100.0 - scale.at(value);
    let points: Vec<Option<(f64, f64)>> = theirs
        .iter()
        .enumerate()
        .map(|(n, row)| Some((x_of(n), y(row.as_ref()?.cell.value()?.value()))))
        .collect();
    let ends: Vec<Option<(f64, f64, f64)>> = theirs
        .iter()
        .enumerate()
        .map(|(n, row)| row.as_ref()?.cell.ends().map(|(low, high)| (x_of(n), y(low), y(high))))
        .collect();
    let ours: Vec<Option<(f64, f64)>> = names
        .iter()
        .enumerate()
        .map(|(n, name)| Some((x_of(n), y(of(Who::Own, name)?.cell.value()?.value()))))
        .collect();
    let narrowest = if period == 0 { SERIES_WIDTH_MIN } else { PANEL_WIDTH_MIN };
    let ticks: Vec<(f64, String)> =
        scale.ticks().into_iter().map(|(at, label)| (at, unit.tick(&label))).collect();
    let widest = ticks.iter().map(|(_, label)| label_width(label)).fold(0.0, f64::max);
    // What lies left of the plot, percent: labels of the scale.
    let left = 100.0 * (widest + LABEL_APART) / narrowest;
    let width = 100.0 - left;
    let at_x = |x: f64| left + x * width / 100.0;
    let outer = |x: f64| pct(at_x(x));
    let labels: Vec<(f64, String)> =
        names.iter().enumerate().map(|(n, name)| (at_x(x_of(n)), (*name).to_owned())).collect();
    html! {
        svg class="series" role="img" aria-labelledby={ (name) "-t " (name) "-d" } width="100%" height=(SERIES_HEIGHT) {
            title id={ (name) "-t" } { "Chart" }
            desc id={ (name) "-d" } { (desc) }
            svg x="0" y="12" width="100%" height=(SERIES_HEIGHT - 40) overflow="visible" {
                @for (at, label) in &ticks {
                    line class="grid" x1=(pct(left)) x2="100%" y1=(pct(y(*at))) y2=(pct(y(*at))) {}
                    text class="tick" x=(pct(left)) dx="-4" y=(pct(y(*at))) dy="4" text-anchor="end" { (label) }
                }
                @for at in breaks {
                    @let x = outer((x_of(at.saturating_sub(1)) + x_of(*at)) / 2.0);
                    line class="broken" x1=(x) x2=(x) y1="0" y2="100%" {}
                }
                svg x=(pct(left)) y="0" width=(pct(width)) height="100%" viewBox="0 0 100 100" preserveAspectRatio="none" {
                    path class="band" d=(band_path(&ends)) {}
                    path class="line" d=(line_path(&points)) vector-effect="non-scaling-stroke" {}
                    path class="line own" d=(line_path(&ours)) vector-effect="non-scaling-stroke" {}
                }
                @for (x, y) in points.iter().flatten() {
                    svg x=(outer(*x)) y=(pct(*y)) overflow="visible" { circle class="cluster" r="3.5" {} }
                }
                @for (x, y) in ours.iter().flatten() {
                    svg x=(outer(*x)) y=(pct(*y)) overflow="visible" { path class="own" d="M0 -5 L5 0 L0 5 L-5 0 Z" {} }
                }
                @for (n, anchor) in fitting(&labels, narrowest, 0) {
                    svg x=(pct(labels[n].0)) y="100%" overflow="visible" { text class="tick" y="18" text-anchor=(anchor) { (labels[n].1) } }
                }
            }
        }
    }
}

/// What of a budget is used and reserved; the rest of the bar is left.
pub(super) fn meter(used: f64, reserved: f64, all: f64) -> Markup {
    let part = |value: f64| pct(if all > 0.0 { (100.0 * value / all).clamp(0.0, 100.0) } else { 0.0 });
    html! {
        svg class="meter" aria-hidden="true" focusable="false" width="100%" height="22" {
            rect class="left" x="0" y="1" width="100%" height="20" {}
            rect class="used" x="0" y="1" width=(part(used)) height="20" {}
            rect class="reserved" x=(part(used)) y="1" width=(part(reserved)) height="20" {}
        }
    }
}

/// Columns of counts, the tallest full.
pub(super) fn ticks(rows: &[Row]) -> Markup {
    let most = rows.iter().filter_map(|row| row.cell.value()).map(super::Number::value).fold(1.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "a place on a drawing, not a count")]
    let wide = 100.0 / rows.len().max(1) as f64;
    #[expect(clippy::cast_precision_loss, reason = "a place on a drawing, not a count")]
    let place = |n: usize| n as f64 * wide;
    html! {
        svg class="ticks" aria-hidden="true" focusable="false" width="100%" height="48" {
            line class="grid" x1="0" x2="100%" y1="47.5" y2="47.5" {}
            @for (n, row) in rows.iter().enumerate() {
                @let high = row.cell.value().map_or(0.0, |value| 46.0 * value.value() / most);
                @let x = place(n);
                rect class="used" x=(pct(x + wide * 0.15)) width=(pct(wide * 0.7)) y=(format!("{:.2}", 47.0 - high)) height=(format!("{high:.2}")) {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cell, Number};
    use super::*;

    /// Where each label begins and ends on a drawing so wide.
    fn extents(labels: &[(f64, String)], chosen: &[(usize, &str)], width: f64) -> Vec<(f64, f64)> {
        let extent = |(n, anchor): &(usize, &str)| {
            let (x, wide) = (labels[*n].0 * width / 100.0, label_width(&labels[*n].1));
            match *anchor {
                "start" => (x, x + wide),
                "end" => (x - wide, x),
                _ => (x - wide / 2.0, x + wide / 2.0),
            }
        };
        chosen.iter().map(extent).collect()
    }

    #[test]
    fn labels_of_an_axis_never_touch_and_zero_is_one_of_them() {
        for values in [
            [-0.3, 0.2],
            [-4.1, 12.9],
            [0.0, 600.0],
            [18.3, 23.9],
            [-98_765.4, 98_766.4],
            [0.0, 1.0e7],
            [91.2, 91.9],
            [-0.000_3, 0.000_2],
        ] {
            for unit in [Unit::Percent, Unit::PercentagePoints, Unit::Of("points".into())] {
                let scale = Scale::over(values.into_iter(), false).unwrap();
                let labels: Vec<(f64, String)> =
                    scale.ticks().into_iter().map(|(at, label)| (scale.at(at), unit.tick(&label))).collect();
                let chosen = fitting(&labels, COLUMN_WIDTH_MIN, scale.zero_tick());
                for width in [COLUMN_WIDTH_MIN, 300.0, 900.0] {
                    let ends = extents(&labels, &chosen, width);
                    assert!(
                        ends.iter().all(|(low, high)| *low >= 0.0 && *high <= width),
                        "{values:?}: {ends:?}"
                    );
                    assert!(ends.windows(2).all(|two| two[0].1 < two[1].0), "{values:?} {unit:?}: {ends:?}");
                }
                assert!(!chosen.is_empty(), "{values:?}");
                let zero = |n: usize| labels[n].1.chars().all(|c| !c.is_ascii_digit() || c == '0');
                let has_zero = (0..labels.len()).any(zero);
                if has_zero && chosen.len() > 2 {
                    assert!(chosen.iter().any(|(n, _)| zero(*n)), "{values:?}: {chosen:?} of {labels:?}");
                }
            }
        }
    }

    #[test]
    fn labels_under_a_series_never_touch() {
        for count in [2_usize, 5, 12, 14, 26, 60] {
            for name in ["Week 10", "Sep-Dec 2025", "2025/26"] {
                #[expect(clippy::cast_precision_loss, reason = "a place on a drawing, not a count")]
                let place = |n: usize| 100.0 * (n as f64 + 0.5) / count as f64;
                let labels: Vec<(f64, String)> = (0..count).map(|n| (place(n), name.to_owned())).collect();
                let chosen = fitting(&labels, PANEL_WIDTH_MIN, 0);
                assert!(!chosen.is_empty(), "{count} of {name}");
                let ends = extents(&labels, &chosen, PANEL_WIDTH_MIN);
                assert!(ends.windows(2).all(|two| two[0].1 + LABEL_APART <= two[1].0), "{count}: {ends:?}");
            }
        }
    }

    /// The thick bar never leaves the thin one, however its ends, middle and half-width were rounded.
    #[test]
    fn drawn_bars_nest() {
        let x = |html: &str, class: &str, end: &str| -> f64 {
            let line = html.split("<line class=\"").find(|line| line.starts_with(class)).unwrap();
            line.split(&format!("{end}=\"")).nth(1).unwrap().split('%').next().unwrap().parse().unwrap()
        };
        let mut stuck_out = 0;
        for middle in 0..40_u32 {
            for half in 1..40_u32 {
                for chance in [0.0, 0.5, 3.0] {
                    let (value, noise) = (f64::from(middle) * 0.137 - 2.0, f64::from(half) * 0.0713);
                    let both = noise.hypot(chance);
                    let number = |value: f64, decimals: usize| Number::of(value, decimals);
                    let cell = Cell::Estimated {
                        value: number((value * 10.0).round() / 10.0, 1),
                        low: number(((value - both) * 10.0).floor() / 10.0, 1),
                        high: number(((value + both) * 10.0).ceil() / 10.0, 1),
                        noise: number((noise * 100.0).ceil() / 100.0, 2),
                        chance: None,
                    };
                    let (low, high) = cell.ends().unwrap();
                    let Cell::Estimated { value, noise, .. } = &cell else { unreachable!() };
                    stuck_out += usize::from(value.value() - noise.value() < low - 1e-9);
                    let scale = Scale::over([low, high].into_iter(), false).unwrap();
                    let html = super::row(&scale, &Row::new([("", "")], Who::Cluster, cell)).into_string();
                    assert!(x(&html, "noise", "x1") >= x(&html, "chance", "x1"), "{html}");
                    assert!(x(&html, "noise", "x2") <= x(&html, "chance", "x2"), "{html}");
                }
            }
        }
        assert!(stuck_out > 0, "none of these would have");
    }
}
