//! Why a round ended without sums, a debit came back, or somebody is accused: the closed lists of codes that entries
//! carry. A round that its rules forbid is aborted by the rule's own code.

macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $code:literal, $doc:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum $name { $(#[doc = $doc] $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// What it means, as a sentence after the name of the entry's author.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $doc,)+ }
            }

            /// Reads `code`.
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.code() == code)
            }

            /// As an entry carries it.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }
        }
    };
}

codes! {
    /// Why a round is aborted, where no rule forbids it.
    AbortCode {
        Few = "few", "Too few members sent their figures in time.";
        Accepted = "accepted", "Too few contributions passed their check.";
        Freeze = "freeze", "The committee did not fix in time what counts.";
        Verify = "verify", "The committee did not check the contributions in time.";
        Close = "close", "The committee did not close, or open the sum, in time.";
        Lot = "lot", "The lot that names the seats was not drawn.";
    }
}

codes! {
    /// Why a debit returns.
    VoidCode {
        Local = "local", "Its own figures or noise could not be had.";
        Lot = "lot", "The lot that names the seats was not drawn.";
        Window = "window", "The time to contribute is over.";
        Veto = "veto", "Its person, or its own limits, no longer allow it.";
        Ended = "ended", "The round ended before it contributed.";
    }
}

codes! {
    /// What an alert about an entry of a round says of it.
    AlertCode {
        Release = "release", "It says something else than what was opened.";
        Roster = "roster", "It is the asker's second.";
        Withheld = "withheld", "Its author kept a sum back.";
    }
}
