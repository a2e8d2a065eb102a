//! What a command says when it cannot: what, why, one hint, and an exit code that scripts rely on.

use std::fmt;

/// Exit codes of every command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Failed; of `audit` and `verify`: a check failed.
    Failed = 1,
    /// Usage, or unreadable input.
    Usage = 2,
    /// The privacy budget would be exceeded.
    Budget = 4,
    /// Aborted, or too few members.
    Aborted = 5,
    /// Refused by another rule.
    Refused = 6,
    /// Asked; the round is still going.
    Going = 7,
    /// No node here.
    NoNode = 10,
    /// Busy, or not running.
    NotRunning = 11,
    /// Locked.
    Locked = 12,
}

/// The person here asked the impossible, or the machine failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommandError {
    /// The exit code.
    pub exit: Exit,
    /// What and why: lower case, no full stop.
    pub text: String,
    /// What to do.
    pub hint: Option<String>,
}

impl CommandError {
    /// The machine failed, or a check did.
    pub fn failed(text: String) -> Self {
        Self { exit: Exit::Failed, text, hint: None }
    }

    /// The input is not usable.
    pub fn usage(text: String) -> Self {
        Self { exit: Exit::Usage, text, hint: None }
    }

    /// A rule says no.
    pub fn refused(rule: &str, text: String) -> Self {
        let budget = rule.starts_with("rho_");
        let exit = match rule {
            "question" => Exit::Usage,
            _ if budget => Exit::Budget,
            "min_roster" => Exit::Aborted,
            _ => Exit::Refused,
        };
        let hint = budget.then(|| "ask for less: a smaller --rho gives a wider range".to_owned());
        Self { exit, text, hint }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.text)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}
