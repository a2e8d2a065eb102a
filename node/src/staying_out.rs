//! This member stays out of a question, a purpose, a dataset or everything, and gives no reason: its own
//! `limits.toml`, changed in one place. Nothing is logged. Source: CHARTER.md, a member's own limits.

use crate::cli::plain;
use crate::error::CommandError;
use crate::folder::write_durably;
use crate::home::Home;
use crate::limits_file::{Edit, Field, leave_all_out, leave_out};

/// Longest id: as in charters.
const ID_BYTES_MAX: usize = 64;

/// What this member stays out of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StayOut {
    /// Questions of this id, whoever asks.
    Question(String),
    /// Everything for a purpose.
    Purpose(String),
    /// Everything about a dataset.
    Dataset(String),
    /// Everything.
    All,
}

impl StayOut {
    /// As programs read it: which kind, and its id.
    pub fn parts(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Question(id) => ("question", Some(id)),
            Self::Purpose(id) => ("purpose", Some(id)),
            Self::Dataset(id) => ("dataset", Some(id)),
            Self::All => ("all", None),
        }
    }

    /// How `limits.toml` would change; `None` where it says so already.
    ///
    /// Errors: no such id can be, or the file is not to be read or changed by a program.
    pub fn edit(&self, home: &Home) -> Result<Option<Edit>, CommandError> {
        if let (what, Some(id)) = self.parts()
            && (id.is_empty() || id.len() > ID_BYTES_MAX || id.chars().any(char::is_control))
        {
            return Err(CommandError::usage(format!("`{}` is no id of a {what}", plain(id))));
        }
        let path = home.join("limits.toml");
        let text = std::fs::read_to_string(&path).map_err(|error| {
            CommandError::usage(format!("{}: {error}", path.display())).hint(
                "without that file this node answers nothing at all; `datacoop charter sign` writes one",
            )
        })?;
        let edit = match self {
            Self::Question(id) => leave_out(&text, Field::Questions, id),
            Self::Purpose(id) => leave_out(&text, Field::Purposes, id),
            Self::Dataset(id) => leave_out(&text, Field::Datasets, id),
            Self::All => leave_all_out(&text),
        };
        edit.map_err(|why| CommandError::usage(format!("{}: {why}", path.display())))
    }
}

/// Writes the change; whoever does has the running node go by it. Errors: the file cannot be written.
pub fn write(home: &Home, edit: &Edit) -> Result<(), CommandError> {
    write_durably(&home.join("limits.toml"), edit.text.as_bytes())
        .map_err(|error| CommandError::failed(error.to_string()))
}
