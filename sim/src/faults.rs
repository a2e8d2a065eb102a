//! What goes wrong, and what people do beside asking, as lines with times. Must not know how the world does it.

use std::fmt;

use datacoop_policy::Span;

/// What goes wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// So many messages in a thousand are lost, for so long.
    Loss(u32, Span),
    /// So many in a thousand come twice.
    Repeat(u32, Span),
    /// Delays vary by so many doublings more: messages overtake each other.
    Reorder(u32, Span),
    /// A member reads so many bytes a millisecond.
    Slow(usize, u32, Span),
    /// Nothing passes from one member to another.
    Cut(usize, usize, Span),
    /// A member's machine is unreachable, as a meeting point that is down.
    Down(usize, Span),
    /// A member's process ends before its output of this number from now, keeping so many frames that were not
    /// synced, and starts again.
    Crash(usize, u32, u32),
    /// A member's next write fails; whether it is there all the same.
    WriteFails(usize, bool),
    /// A member's folder is replaced by a backup of this age; whether secrets come back with it, as in a
    /// machine's snapshot.
    Restore(usize, Span, bool),
    /// A blob is gone from a member's disk.
    LostBlob(usize, u32),
    /// A byte of a stored blob flips.
    RotBlob(usize, u32),
    /// A byte of the journal flips, before the nth record from its end: its process ends, and its person restores.
    RotJournal(usize, u32),
    /// A member's disk is full for so long.
    Full(usize, Span),
    /// A member's clock is off by so many milliseconds.
    Skew(usize, i64),
    /// It drifts by so many milliseconds a day, for so long.
    Drift(usize, i64, Span),
    /// It is a year ahead, or behind, for so long.
    WrongYear(usize, bool, Span),
    /// A lid is closed for so long.
    Lid(usize, Span),
    /// A machine is switched off for so long.
    Off(usize, Span),
    /// A machine is gone for good.
    Gone(usize),
    /// Whatever a member tabulates takes so long more, for so long.
    SlowTables(usize, Span, Span),
    /// A member's tables cannot be read, for so long.
    NoTables(usize, Span),
    /// The charter's next version spreads; whether it only tightens.
    Amend(bool),
    /// The charter's next version ends so soon, and nothing follows it.
    Expire(Span),
    /// Two next versions are signed and spread; after so long a third follows one and condemns the other.
    Rivals(Span),
    /// A member's keys are replaced, by the charter's next version.
    Rekey(usize),
    /// All seats but so many of the next committee that is known are in one hand, and shift the sum together.
    Seats(u32),
    /// A person does something beside asking.
    Act(usize, Deed),
    /// A person says yes or no to the newest question.
    Decide(usize, bool),
    /// A person allows less from now on.
    Narrow(usize, Narrowing),
    /// A member's keys are in somebody else's hands, who does this from now on.
    Rogue(usize, Rogue),
    /// A member's program goes on, and from now on cheats at this.
    Cheat(usize, Cheat),
}

/// Words for what people and programs do, as scenarios write them.
macro_rules! words {
    ($(#[$about:meta])* $kind:ident { $($(#[$what:meta])* $one:ident = $name:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum $kind { $($(#[$what])* $one,)+ }

        impl $kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$one,)+];

            /// Its name in a scenario.
            pub fn name(self) -> &'static str {
                match self { $(Self::$one => $name,)+ }
            }
        }
    };
}

words! {
    /// What people do beside asking.
    Deed {
        /// Proposes a question.
        Propose = "propose",
        /// Supports the newest proposal.
        Support = "support",
        /// Is against the newest question that was asked.
        Object = "object",
        /// Answers an objection to a question of its own.
        Reply = "reply",
        /// Reports what came of the newest Release.
        Report = "report",
        /// Wants the purpose to stop for a while.
        Restrict = "restrict",
    }
}

words! {
    /// What a person allows less of.
    Narrowing {
        /// Nothing is allowed.
        Nothing = "nothing",
        /// Half of what one question costs in scenarios.
        Loss = "loss",
        /// As much for the purpose in all.
        PurposeLoss = "purpose_loss",
        /// As much for the year in all.
        YearLoss = "year_loss",
        /// No question.
        Questions = "questions",
        /// No dataset.
        Datasets = "datasets",
        /// No column is read.
        Columns = "columns",
        /// Nothing is split.
        Groups = "groups",
        /// Only later on.
        Later = "later",
        /// Only until yesterday.
        Earlier = "earlier",
        /// One cell.
        Cells = "cells",
        /// No full-noise round.
        Noise = "noise",
        /// Only with a co-signer.
        Cosigners = "cosigners",
        /// Only with more members than there are.
        Roster = "roster",
        /// Only with more bodies than there are.
        Bodies = "bodies",
        /// Only with more people than any declare.
        People = "people",
        /// Nobody may be set apart.
        Step = "step",
        /// Its data is taken back.
        Data = "data",
    }
}

words! {
    /// What a member does that does not keep the rules.
    Rogue {
        /// Shows some members another history of its log.
        TwoHistories = "two_histories",
        /// Sends old frames again.
        Replay = "replay",
        /// Sends bytes that are no frame.
        Garbage = "garbage",
        /// Sends a frame that is too long.
        Oversize = "oversize",
        /// Says nothing more.
        Withhold = "withhold",
        /// Asks many questions at once.
        Flood = "flood",
        /// Asks under a charter that is not in force.
        StaleCharter = "stale_charter",
        /// Asks what nobody may answer, each question against another rule.
        Unlawful = "unlawful",
        /// Freezes a second Roster.
        SecondRoster = "second_roster",
        /// Freezes a Roster under the minimum.
        SmallRoster = "small_roster",
        /// Opens before anybody closed.
        EarlyOpen = "early_open",
        /// Releases sums that nobody opened.
        FalseRelease = "false_release",
        /// Signs another's log.
        ForgedAuthor = "forged_author",
        /// Spends one debit on two contributions.
        TwoContributions = "two_contributions",
        /// Cosigns any head, and whatever second history somebody shows.
        LyingWitness = "lying_witness",
    }
}

words! {
    /// What a member's program cheats at while it keeps to everything else.
    Cheat {
        /// It draws no noise.
        NoNoise = "no_noise",
        /// Its contributions' proofs do not hold: they were made for another round.
        FalseProof = "false_proof",
        /// Its shares are others than it logs.
        WrongDigests = "wrong_digests",
        /// As a seat it has no verifier share for anybody.
        NoVerifiers = "no_verifiers",
    }
}

impl FaultKind {
    /// Its kind's name in a scenario, and in the counts of what was exercised.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Loss(..) => "loss",
            Self::Repeat(..) => "repeat",
            Self::Reorder(..) => "reorder",
            Self::Slow(..) => "slow_reader",
            Self::Cut(..) => "cut",
            Self::Down(..) => "meeting_point_down",
            Self::Crash(..) => "crash",
            Self::WriteFails(..) => "write_fails",
            Self::Restore(_, _, false) => "restore_backup",
            Self::Restore(_, _, true) => "restore_snapshot",
            Self::LostBlob(..) => "lost_blob",
            Self::RotBlob(..) => "rot_blob",
            Self::RotJournal(..) => "rot_journal",
            Self::Full(..) => "full_disk",
            Self::Skew(..) => "skew",
            Self::Drift(..) => "drift",
            Self::WrongYear(..) => "wrong_year",
            Self::Lid(..) => "lid",
            Self::Off(..) => "off",
            Self::Gone(..) => "gone",
            Self::SlowTables(..) => "slow_tables",
            Self::NoTables(..) => "no_tables",
            Self::Amend(..) => "amend",
            Self::Expire(..) => "expire",
            Self::Rivals(..) => "rival_charters",
            Self::Rekey(..) => "rekey",
            Self::Seats(..) => "seats",
            Self::Act(..) => "act",
            Self::Decide(..) => "decide",
            Self::Narrow(..) => "narrow",
            Self::Rogue(..) => "rogue",
            Self::Cheat(..) => "cheat",
        }
    }

    /// The member that it befalls, if it is one.
    pub fn member(&self) -> Option<usize> {
        match self {
            Self::Loss(..)
            | Self::Repeat(..)
            | Self::Reorder(..)
            | Self::Amend(..)
            | Self::Expire(..)
            | Self::Rivals(..)
            | Self::Seats(..) => None,
            Self::Slow(site, ..)
            | Self::Cut(site, ..)
            | Self::Down(site, ..)
            | Self::Crash(site, ..)
            | Self::WriteFails(site, ..)
            | Self::Restore(site, ..)
            | Self::LostBlob(site, ..)
            | Self::RotBlob(site, ..)
            | Self::RotJournal(site, ..)
            | Self::Full(site, ..)
            | Self::Rekey(site)
            | Self::Act(site, ..)
            | Self::Decide(site, ..)
            | Self::Narrow(site, ..)
            | Self::Skew(site, ..)
            | Self::Drift(site, ..)
            | Self::WrongYear(site, ..)
            | Self::Lid(site, ..)
            | Self::Off(site, ..)
            | Self::Gone(site)
            | Self::SlowTables(site, ..)
            | Self::NoTables(site, ..)
            | Self::Cheat(site, ..)
            | Self::Rogue(site, ..) => Some(*site),
        }
    }
}

impl FaultKind {
    /// All members that it names.
    pub fn members(&self) -> impl Iterator<Item = usize> {
        let to = if let Self::Cut(_, to, _) = self { Some(*to) } else { None };
        self.member().into_iter().chain(to)
    }
}

/// A fault and when it begins, counted from the scenario's first moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// When.
    pub at: Span,
    /// What.
    pub kind: FaultKind,
}

/// A moment of a scenario: `d3 10:00:00.250`.
pub fn moment(at: Span) -> String {
    let (days, rest) = (at.0 / 86_400_000, at.0 % 86_400_000);
    let (hours, minutes) = (rest / 3_600_000, rest / 60_000 % 60);
    let (seconds, thousandths) = (rest / 1000 % 60, rest % 1000);
    match (seconds, thousandths) {
        (0, 0) => format!("d{days} {hours:02}:{minutes:02}"),
        (_, 0) => format!("d{days} {hours:02}:{minutes:02}:{seconds:02}"),
        _ => format!("d{days} {hours:02}:{minutes:02}:{seconds:02}.{thousandths:03}"),
    }
}

/// A length of time: `36h`.
pub fn length(span: Span) -> String {
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if span.0 > 0 && span.0.is_multiple_of(size) {
            return format!("{}{unit}", span.0 / size);
        }
    }
    format!("{}ms", span.0)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{ at=\"{}\", kind=\"{}\"", moment(self.at), self.kind.name())?;
        if let Some(site) = self.kind.member() {
            write!(f, ", member={site}")?;
        }
        let long = |span: &Span| length(*span);
        match &self.kind {
            FaultKind::Loss(rate, span) | FaultKind::Repeat(rate, span) => {
                write!(f, ", permille={rate}, for=\"{}\"", long(span))?;
            }
            FaultKind::Reorder(doublings, span) => {
                write!(f, ", doublings={doublings}, for=\"{}\"", long(span))?;
            }
            FaultKind::Slow(_, rate, span) => write!(f, ", rate={rate}, for=\"{}\"", long(span))?,
            FaultKind::Cut(_, to, span) => write!(f, ", to={to}, for=\"{}\"", long(span))?,
            FaultKind::Down(_, span)
            | FaultKind::Lid(_, span)
            | FaultKind::Off(_, span)
            | FaultKind::NoTables(_, span)
            | FaultKind::Full(_, span)
            | FaultKind::Rivals(span) => write!(f, ", for=\"{}\"", long(span))?,
            FaultKind::SlowTables(_, takes, span) => {
                write!(f, ", takes=\"{}\", for=\"{}\"", long(takes), long(span))?;
            }
            FaultKind::Expire(left) => write!(f, ", in=\"{}\"", long(left))?,
            FaultKind::Crash(_, after, keeps) => write!(f, ", after={after}, keeps={keeps}")?,
            FaultKind::WriteFails(_, stored) => write!(f, ", stored={stored}")?,
            FaultKind::Restore(_, age, _) => write!(f, ", age=\"{}\"", long(age))?,
            FaultKind::LostBlob(_, nth) | FaultKind::RotBlob(_, nth) | FaultKind::RotJournal(_, nth) => {
                write!(f, ", nth={nth}")?;
            }
            FaultKind::Skew(_, ahead) => write!(f, ", ahead={ahead}")?,
            FaultKind::Drift(_, daily, span) => write!(f, ", daily={daily}, for=\"{}\"", long(span))?,
            FaultKind::WrongYear(_, ahead, span) => write!(f, ", ahead={ahead}, for=\"{}\"", long(span))?,
            FaultKind::Gone(_) | FaultKind::Rekey(_) => {}
            FaultKind::Seats(spared) => write!(f, ", spared={spared}")?,
            FaultKind::Act(_, deed) => write!(f, ", does=\"{}\"", deed.name())?,
            FaultKind::Decide(_, yes) => write!(f, ", yes={yes}")?,
            FaultKind::Narrow(_, narrowing) => write!(f, ", what=\"{}\"", narrowing.name())?,
            FaultKind::Amend(tightens) => write!(f, ", tightens={tightens}")?,
            FaultKind::Rogue(_, rogue) => write!(f, ", does=\"{}\"", rogue.name())?,
            FaultKind::Cheat(_, cheat) => write!(f, ", does=\"{}\"", cheat.name())?,
        }
        f.write_str(" }")
    }
}
