//! A line an event, and the hash of them all. Equal traces, equal runs.
//!
//! What hangs on the randomness inside `prio` stays out: blobs, digests, aggregate shares, leaf hashes, roots,
//! signatures (SIM.md, section 6). Lengths are in: they do not vary.

use std::collections::VecDeque;
use std::fmt::Write as _;

use datacoop_policy::{Day, Digest, QueryId, Time};
use datacoop_protocol::entry::{Body, Entry, Ref};
use datacoop_protocol::log::tree::sha256;

/// Lines that are kept to be shown when a law breaks.
pub const LINES_KEPT: usize = 50;
/// Bytes that are gathered before they are hashed.
const BUFFER_BYTES: usize = 1 << 16;

/// The trace of a run.
#[derive(Default)]
pub struct Trace {
    buffer: String,
    hash: Digest,
    events: u64,
    last: VecDeque<String>,
    /// Queries in the order of their first appearance: their ids are numbers here.
    queries: std::collections::BTreeMap<QueryId, usize>,
    /// All lines, where somebody wants them.
    pub whole: Option<Vec<String>>,
}

impl Trace {
    /// An event: when, the member's number, and what.
    pub fn line(&mut self, at: Time, site: usize, text: std::fmt::Arguments<'_>) {
        self.events += 1;
        let start = self.buffer.len();
        let _ = writeln!(self.buffer, "{} {site} {text}", at.0);
        let line = &self.buffer[start..];
        // The oldest line's memory holds the newest: there are millions.
        let mut kept =
            if self.last.len() == LINES_KEPT { self.last.pop_front() } else { None }.unwrap_or_default();
        kept.clear();
        kept.push_str(line.trim_end());
        self.last.push_back(kept);
        if let Some(whole) = &mut self.whole {
            whole.push(line.trim_end().to_owned());
        }
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.hash = sha256(&[&self.hash.0, self.buffer.as_bytes()]);
        self.buffer.clear();
    }

    /// Events so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The hash of all lines.
    pub fn hash(&mut self) -> Digest {
        self.flush();
        self.hash
    }

    /// The last lines, with moments that people read.
    pub fn last(&self) -> Vec<String> {
        let shown = |line: &String| {
            let (at, rest) = line.split_once(' ')?;
            Some(format!("{}  member {rest}", shown_time(Time(at.parse().ok()?))))
        };
        self.last.iter().filter_map(shown).collect()
    }

    /// A Query's number in the order of first appearance.
    pub fn query(&mut self, id: &QueryId) -> usize {
        let next = self.queries.len();
        *self.queries.entry(*id).or_insert(next)
    }

    /// An entry by what it decides.
    pub fn decision(&mut self, entry: &Entry) -> String {
        let round = entry.body.query().map(|id| self.query(&id));
        let mut text = entry.body.kind().to_owned();
        if let Some(round) = round {
            let _ = write!(text, " q{round}");
        }
        let authors = |refs: &[Ref]| refs.iter().map(|at| at.log.to_string()).collect::<Vec<_>>().join(",");
        let _ = match &entry.body {
            Body::Refuse { rule, layer, .. } => write!(text, " {rule} by {layer}"),
            Body::Debit { debit, .. } => {
                write!(text, " {} {} {}", debit.before.nano(), debit.loss.nano(), debit.after.nano())
            }
            Body::Roster { verdicts, .. } => write!(text, " {}", authors(verdicts)),
            Body::Freeze { contributions, .. } => write!(text, " {}", authors(contributions)),
            Body::Close { accepted, .. } => write!(text, " {}", authors(accepted)),
            Body::Release { sums, .. } => write!(text, " {sums:?}"),
            Body::Abort { code, .. } | Body::Void { code, .. } => write!(text, " {code}"),
            Body::Alert { code, subject, .. } => write!(text, " {code} {}/{}", subject.log, subject.index),
            Body::Charter { version, from, .. } => write!(text, " {version} from {}", from.0),
            Body::Genesis { .. }
            | Body::Query(_)
            | Body::Accept { .. }
            | Body::Contribution { .. }
            | Body::Commit { .. }
            | Body::Verify { .. }
            | Body::Open { .. }
            | Body::Reveal { .. }
            | Body::Head { .. }
            | Body::Act(_)
            | Body::Split { .. } => Ok(()),
        };
        text
    }
}

/// `2026-11-09 14:02:11.250`.
pub fn shown_time(at: Time) -> String {
    let day: Day = at.day();
    let rest = at.0 % 86_400_000;
    format!(
        "{day} {:02}:{:02}:{:02}.{:03}",
        rest / 3_600_000,
        rest / 60_000 % 60,
        rest / 1000 % 60,
        rest % 1000
    )
}
