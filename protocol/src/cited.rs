//! What an entry cites.

use crate::entry::{Body, Ref};

/// The one list of it, for those who read and those who change.
macro_rules! cited {
    ($body:expr) => {
        match $body {
            Body::Genesis { .. }
            | Body::Charter { .. }
            | Body::Accept { .. }
            | Body::Refuse { .. }
            | Body::Abort { .. }
            | Body::Head { .. }
            | Body::Split { .. } => vec![],
            Body::Roster { verdicts, .. } => verdicts.into_iter().collect(),
            Body::Debit { roster, .. } => vec![roster],
            Body::Contribution { debit, .. } | Body::Commit { debit, .. } | Body::Void { debit, .. } => {
                vec![debit]
            }
            Body::Freeze { roster, contributions, .. } => {
                std::iter::once(roster).chain(contributions).collect()
            }
            Body::Verify { freezes, .. } => freezes.into_iter().collect(),
            Body::Close { verifies, accepted, .. } => verifies.into_iter().chain(accepted).collect(),
            Body::Open { closes, .. } => closes.into_iter().collect(),
            Body::Reveal { freeze, .. } => vec![freeze],
            Body::Release { opens, .. } => opens.into_iter().collect(),
            Body::Alert { subject, .. } => vec![subject],
            // Each in its own way, below.
            Body::Query(_) | Body::Act(_) => vec![],
        }
    };
}

/// What an entry cites.
#[expect(clippy::wildcard_enum_match_arm, reason = "the list above has every kind")]
pub(crate) fn references(body: &Body) -> Vec<&Ref> {
    match body {
        Body::Query(query) => query.cosigners.iter().chain(&query.delegation).collect(),
        Body::Act(act) => act.cites(),
        _ => cited!(body),
    }
}

/// As `references`, to have them share the names of logs; but what acts cite, of which there are few.
pub(crate) fn references_mut(body: &mut Body) -> Vec<&mut Ref> {
    cited!(body)
}
