//! L11: no honest member is blamed.

use datacoop_policy::Time;
use datacoop_protocol::entry::Body;
use datacoop_protocol::member::port::Event;

use super::{Book, Fact, Law};

/// How long around `close_by` a seat must have been on to be blamed with reason for its silence: a member that
/// was off in between may have closed and not come back.
const NOTICE: u64 = 3_600_000;

/// No honest member is called misbehaved, and none is in an alert, save `withheld` for one that was off.
pub(super) struct NoFalseBlame;

impl Law for NoFalseBlame {
    fn name(&self) -> &'static str {
        "L11 no false blame"
    }

    fn see(&mut self, book: &Book, at: Time, _: usize, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Wrote(told, _) = fact else {
            let Fact::Says(Event::SplitView(split)) = fact else { return Ok(()) };
            let origin = &split.log;
            return match honest_log(book, origin) {
                Some(site) => Err(format!("member {site} is said to have signed two histories")),
                None => Ok(()),
            };
        };
        if let Body::Split { log, .. } = &told.entry.body
            && let Some(site) = honest_log(book, log)
        {
            return Err(format!("member {site} is said to have signed two histories"));
        }
        let Body::Alert { code, subject, query } = &told.entry.body else { return Ok(()) };
        let Some((site, _)) = book.entry(subject).filter(|(site, _)| book.is_honest(*site)) else {
            return Ok(());
        };
        let close_by = book.queries.get(query).map_or(at, |body| body.close_by);
        let was_off = book.last_off[*site].is_some_and(|off| off.0 + NOTICE > close_by.0);
        match code == "withheld" && was_off {
            true => Ok(()),
            false => Err(format!("member {site} is named in an alert, `{code}`")),
        }
    }
}

fn honest_log(book: &Book, origin: &str) -> Option<usize> {
    // A demo's origins begin with the host: `m004.demo/...`.
    let number = origin.strip_prefix('m')?.split('.').next()?.parse::<usize>().ok()?.checked_sub(1)?;
    book.is_honest(number).then_some(number)
}
