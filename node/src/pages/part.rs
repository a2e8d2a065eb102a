//! Long lists, a part at a time: so that a page costs what it shows, and not what there is.

use std::ops::Range;

use maud::{Markup, html};

use crate::api::rounds::LISTED_MAX;

/// Lines of a list on a page.
const LINES: usize = LISTED_MAX;

/// Which lines of how many a page shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    from: usize,
    all: usize,
}

impl Part {
    /// Of a list of so many lines those from this one on; beyond its end its last part.
    pub(super) fn of(all: usize, from: usize) -> Self {
        Self { from: from.min(all.saturating_sub(1)) / LINES * LINES, all }
    }

    /// The first line's place in the list.
    pub(super) fn from(self) -> usize {
        self.from
    }

    /// Their places in the list.
    pub(super) fn range(self) -> Range<usize> {
        self.from..self.all.min(self.from + LINES)
    }

    /// How many lines there are.
    pub(super) fn all(self) -> usize {
        self.all
    }

    /// Whether there are more than are shown.
    pub(super) fn is_cut(self) -> bool {
        self.all > LINES
    }

    /// Such as `51 to 100 are shown`.
    pub(super) fn words(self) -> String {
        let Range { start, end } = self.range();
        format!("{} to {end} are shown", start + 1)
    }

    /// Links to the parts before and after; nothing where all is shown. `path` may have a query already.
    pub(super) fn links(self, path: &str) -> Markup {
        let joint = if path.contains('?') { '&' } else { '?' };
        let Range { start, end } = self.range();
        html! {
            @if self.is_cut() {
                p class="no-print" {
                    @if start > 0 { a href={ (path) (joint) "from=" (start - LINES) } { "Newer" } " " }
                    @if end < self.all { a href={ (path) (joint) "from=" (end) } { "Older" } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_on_one_part_and_no_part_is_empty() {
        for all in [0, 1, LINES - 1, LINES, LINES + 1, 3 * LINES, 1_000] {
            let (mut from, mut seen) = (0, 0);
            loop {
                let part = Part::of(all, from);
                assert_eq!(part.range().start, seen, "{all} from {from}");
                seen = part.range().end;
                assert!(part.range().len() <= LINES && (seen > 0 || all == 0));
                if seen == all {
                    break;
                }
                let link = format!("/x?y=z&amp;from={seen}");
                assert!(part.links("/x?y=z").into_string().contains(&link), "{link}");
                from = seen;
            }
            assert_eq!(Part::of(all, usize::MAX).range().end, all);
            assert_eq!(Part::of(all, 0).links("/x").into_string().is_empty(), all <= LINES);
        }
    }
}
