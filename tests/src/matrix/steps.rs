//! The table of every durable step of a member: where it happens, what a start finds of it, and what the
//! member then does. A kind of output, record or entry that is new does not compile here until it has a row.
//!
//! Steps of a folder that no member takes (`restore`, a new journal file, a charter's text) are in
//! `folders`.

use datacoop_protocol::entry::{Body, Entry};
use datacoop_protocol::member::port::Output;
use datacoop_protocol::wire::{Bytes, Record};

use super::stage::Plot;

/// How a step ends with its process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It was written and synced; then the power went.
    Persisted,
    /// The power went before anything of it was written, with all that was not synced.
    Never,
    /// Half of its first write reached the disk, and the process was gone.
    Torn,
    /// It was written, the disk refused to sync it, and the power took what was not synced.
    Unsynced,
}

impl Fate {
    /// All four, in the order of a row's columns.
    pub const ALL: [Self; 4] = [Self::Persisted, Self::Never, Self::Torn, Self::Unsynced];
}

macro_rules! steps {
    ($($name:ident: $what:literal,)*) => {
        /// A durable step.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Step { $(#[doc = $what] $name,)* }

        impl Step {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

steps! {
    Genesis: "Entry `genesis`.",
    Charter: "Entry `charter`.",
    Query: "Entry `query`.",
    Accept: "Entry `verdict`, a yes.",
    Refuse: "Entry `verdict`, a no.",
    Roster: "Entry `roster`.",
    Debit: "Entry `debit`.",
    Contribution: "Entry `contribution`, of sealed shares.",
    Commit: "Entry `contribution`, of a commitment.",
    Freeze: "Entry `freeze`.",
    Verify: "Entry `verify`.",
    Close: "Entry `close`.",
    Open: "Entry `open`, of an aggregate share.",
    Reveal: "Entry `open`, of a vector.",
    Release: "Entry `release`.",
    Abort: "Entry `abort`.",
    Void: "Entry `void`.",
    Alert: "Entry `alert`.",
    Head: "Entry `head`.",
    Act: "Entry of what a member does beside rounds: a proposal, and what is said of one.",
    Split: "Entry `split`: evidence of two histories.",
    TakenBack: "An entry of our own that others gave back.",
    Restored: "Record `Restored`: our own entries come from others from here on.",
    Decided: "Record `Decided`: our person's yes or no to a Query.",
    LeftRounds: "Record `Left`: all are back; of these rounds nothing more is said.",
    Copied: "Record `Copied`: entries of another log, which nothing waits for.",
    Cosigned: "Record `Cosigned`, of our own cosignature.",
    Heard: "Record `Cosigned`, of another's cosignature, which nothing waits for.",
    Sign: "The newest head that we signed.",
    Share: "A sealed share, in its round's file.",
    Blob: "A verifier's share, a file of its own.",
    RemoveShares: "A round's sealed shares go.",
    KeepSeed: "A round's secret before its verdict.",
    KeepVector: "A round's secret with vector and noise, before its contribution.",
    EraseSecret: "A round's secret goes.",
    KeepOpening: "What our seat may have to show, before its close.",
    EraseOpening: "What our seat may have to show goes.",
}

/// A row: columns as in `Fate::ALL`.
pub struct Row {
    /// In which story it happens.
    pub plot: Plot,
    /// Whether the next start finds it done.
    pub found: [bool; 4],
    /// What is done where it is found.
    pub done: &'static str,
    /// What is done where it is not.
    pub undone: &'static str,
}

/// Only what was synced is found: the rule, for what is written in one piece.
const SYNCED: [bool; 4] = [true, false, false, false];
/// A name that was taken away and not synced is back; one that had another name meanwhile goes at the start.
const REMOVED: [bool; 4] = [true, false, true, false];

impl Step {
    /// Its row.
    pub fn row(self) -> Row {
        let row = |plot, done, undone| Row { plot, found: SYNCED, done, undone };
        let said = "it is sent, and not said again";
        let pulled = "nothing is asked for again";
        match self {
            Self::Genesis | Self::Charter => row(Plot::Secure, said, "the log begins at the next start"),
            Self::Query => row(Plot::Secure, said, "its person is not told, and asks again"),
            Self::Accept => row(Plot::Secure, said, "the Query is judged again, under another seed"),
            Self::Refuse => row(Plot::FullNoise, said, "the Query is judged again"),
            Self::Roster | Self::Freeze | Self::Verify => {
                row(Plot::Secure, said, "it is worked out again from the logs")
            }
            Self::Close => row(Plot::Unopened, said, "it is worked out again from the logs"),
            Self::Debit => {
                row(Plot::Secure, "noise is drawn under it", "it is judged again; no noise was drawn")
            }
            Self::Contribution => row(Plot::Secure, said, "noise is drawn again: no share left the node"),
            Self::Commit => row(Plot::FullNoise, said, "noise is drawn again: nothing was bound to it"),
            Self::Open | Self::Reveal => {
                let plot = if self == Self::Open { Plot::Secure } else { Plot::FullNoise };
                row(plot, said, "it is opened from what is kept, the same")
            }
            Self::Release => row(Plot::Secure, said, "it is added up again"),
            Self::Abort => row(Plot::Voided, said, "it is decided again"),
            Self::Void => row(Plot::Voided, said, "the debit is returned at the next look"),
            Self::Alert => row(Plot::Unopened, said, "it is raised again"),
            Self::Act => row(Plot::Idle, said, "its person is not told, and does it again"),
            Self::Head => row(Plot::Idle, said, "heads are said again"),
            Self::Split => row(Plot::TwoHistories, said, "the other history comes again with the next peer"),
            Self::TakenBack => row(Plot::Restored, pulled, "the rest is taken back at the next start"),
            Self::Restored => {
                row(Plot::Restored, "the next start asks others first", "it starts as an old copy")
            }
            Self::LeftRounds => {
                row(Plot::Restored, "nothing more is said in them", "all are found left again")
            }
            Self::Decided => {
                row(Plot::Asked, "the verdict follows from it", "its person is not told, and says it again")
            }
            Self::Copied => row(Plot::Secure, pulled, "it is pulled again"),
            Self::Cosigned => row(Plot::Watched, pulled, "the head is cosigned again: later, never less"),
            Self::Heard => row(Plot::Watched, pulled, "it is heard again"),
            Self::Sign => {
                row(Plot::Secure, "the journal must reach it", "the head is signed again, the same")
            }
            Self::Share => row(Plot::Secure, pulled, "it is shared again, or pulled again"),
            Self::Blob => row(Plot::Secure, pulled, "it is worked out again, or pulled again"),
            Self::RemoveShares => {
                // Nothing waits for it: a start takes away what no open round names.
                let found = [false, false, true, false];
                Row { found, ..row(Plot::Secure, "", "the start removes them") }
            }
            Self::KeepSeed => {
                row(Plot::Secure, "another takes its place: no verdict binds it", "another is drawn")
            }
            Self::KeepVector => {
                row(Plot::FullNoise, "noise is drawn again: nothing was bound to it", "noise is drawn again")
            }
            Self::EraseSecret => Row { found: REMOVED, ..row(Plot::Secure, "", "the start erases it") },
            Self::KeepOpening => {
                row(Plot::Unopened, "the close commits to it", "it is kept again, then closed")
            }
            Self::EraseOpening => Row { found: REMOVED, ..row(Plot::Unopened, "", "the start erases it") },
        }
    }

    /// What of an output is a durable step; `None` for what is not the disk's. `restoring`: whether our own
    /// entries come from others.
    pub(super) fn of(output: &Output, restoring: bool) -> Option<Self> {
        Some(match output {
            Output::Store(record) => of_record(record, true, restoring),
            Output::Keep(record) => of_record(record, false, restoring),
            Output::Sign { .. } => Self::Sign,
            Output::StoreBlob { round: Some(_), .. } => Self::Share,
            Output::StoreBlob { round: None, .. } => Self::Blob,
            Output::RemoveShares(_) => Self::RemoveShares,
            Output::KeepSecret(_, secret) if secret.vector.is_none() => Self::KeepSeed,
            Output::KeepSecret(..) => Self::KeepVector,
            Output::EraseSecret(_) => Self::EraseSecret,
            Output::KeepOpening(..) => Self::KeepOpening,
            Output::EraseOpening(_) => Self::EraseOpening,
            Output::LoadBlob(_)
            | Output::Dial(..)
            | Output::Hangup(_)
            | Output::Request { .. }
            | Output::Reply { .. }
            | Output::ReplyPiece { .. }
            | Output::Tabulate(..)
            | Output::Draw { .. }
            | Output::Compute(_)
            | Output::Tell(_) => return None,
        })
    }
}

fn of_record(record: &Record, waited_for: bool, restoring: bool) -> Step {
    match record {
        Record::Entry(_) if restoring => Step::TakenBack,
        Record::Entry(Bytes(bytes)) => of_body(&Entry::parse(bytes).expect("our own entry").body),
        Record::Copied(_) => Step::Copied,
        Record::Cosigned(_) if waited_for => Step::Cosigned,
        Record::Cosigned(_) => Step::Heard,
        Record::Restored => Step::Restored,
        Record::Left(_) => Step::LeftRounds,
        Record::Decided { .. } => Step::Decided,
    }
}

fn of_body(body: &Body) -> Step {
    match body {
        Body::Genesis { .. } => Step::Genesis,
        Body::Charter { .. } => Step::Charter,
        Body::Query(_) => Step::Query,
        Body::Accept { .. } => Step::Accept,
        Body::Refuse { .. } => Step::Refuse,
        Body::Roster { .. } => Step::Roster,
        Body::Debit { .. } => Step::Debit,
        Body::Contribution { .. } => Step::Contribution,
        Body::Commit { .. } => Step::Commit,
        Body::Freeze { .. } => Step::Freeze,
        Body::Verify { .. } => Step::Verify,
        Body::Close { .. } => Step::Close,
        Body::Open { .. } => Step::Open,
        Body::Reveal { .. } => Step::Reveal,
        Body::Release { .. } => Step::Release,
        Body::Abort { .. } => Step::Abort,
        Body::Void { .. } => Step::Void,
        Body::Alert { .. } => Step::Alert,
        Body::Head { .. } => Step::Head,
        Body::Act(_) => Step::Act,
        Body::Split { .. } => Step::Split,
    }
}
