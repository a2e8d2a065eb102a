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
    /// A law of the simulated world was broken.
    Law = 20,
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

    /// What to do about it.
    #[must_use]
    pub fn hint(self, hint: &str) -> Self {
        Self { hint: Some(hint.to_owned()), ..self }
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
        // The one sentence under a rule of loss that asks for more of it.
        let hint = match text.contains("too small for any noise") {
            true => "ask for more: a larger --rho",
            false => "ask for less: a smaller --rho gives a wider range",
        };
        let hint = match rule {
            "asker" => Some(
                "a coordinator asks, or lets a member ask: list what was given with `datacoop delegations`"
                    .to_owned(),
            ),
            _ => budget.then(|| hint.to_owned()),
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_that_is_too_small_is_not_told_to_shrink() {
        let hint = |text: &str| CommandError::refused("rho_query", text.into()).hint.unwrap();
        assert!(hint("rho 0.000000001 is too small for any noise to serve").contains("larger --rho"));
        assert!(hint("it costs rho 0.060000000; at most 0.05 is allowed").contains("smaller --rho"));
    }
}
