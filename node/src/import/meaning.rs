//! What the values of a row mean: the last word on a row between reading and writing. Must not know
//! files, headers or formats.

use datacoop_policy::vocabulary::{Column, Vocabulary};

use super::{Cell, Complaint, ImportError, Options, Report};

/// Goes with one file, row by row, in the file's order.
pub(super) struct Meaning<'a> {
    #[expect(dead_code, reason = "says which place of a row is which column, for the rules to come")]
    columns: Vec<&'a Column>,
}

impl<'a> Meaning<'a> {
    /// Begins a file. `columns` are a row's, in order; `present` tells those that the file has.
    pub(super) fn new(
        _vocabulary: &'a Vocabulary,
        columns: Vec<&'a Column>,
        _present: &dyn Fn(&str) -> bool,
        _options: &Options,
    ) -> Result<Self, ImportError> {
        Ok(Self { columns })
    }

    /// Another spelling of a value that its column does not allow, perhaps an empty one of a column
    /// that needs one; it is then read in its place.
    pub(super) fn other_spelling(&self, _column: &Column, _text: &str) -> Option<String> {
        None
    }

    /// Whether rows of one key are told apart later, so that none is refused as a copy.
    pub(super) fn settles_copies(&self) -> bool {
        false
    }

    /// Works on a row in place: a cell for each column. Returns whether the row stays; further rows
    /// that it stands for go to `more`. Errors: what is wrong with the row, which is then left out.
    pub(super) fn complete(
        &mut self,
        _row: &mut [Cell],
        _more: &mut Vec<Vec<Cell>>,
    ) -> Result<bool, Complaint> {
        Ok(true)
    }

    /// Ends a file: what only all of its rows tell. Errors: why nothing of it may be imported.
    pub(super) fn finish(self, _report: &mut Report) -> Result<(), ImportError> {
        Ok(())
    }
}
