//! Who watches whose log, where a charter does not choose otherwise.

use super::{Member, MemberId};

/// Witnesses of a log at most: readers of C2SP notes need accept only 16 signatures.
pub const WITNESSES_MAX: usize = 15;
/// Witnesses of a log by default: from seven on two that lie with its owner can neither show two
/// histories nor, by silence, keep it from being witnessed (LOG.md section 5).
const WITNESSES: usize = 7;

/// Gives each member's log up to seven witnesses: the members that follow it in the list, those of
/// other bodies first, for a body that owns a log must not vouch for it. Every member then watches as
/// many logs as any other. Whoever is dormant watches none.
pub fn name_witnesses(members: &mut [Member]) {
    let all: Vec<(MemberId, String, bool)> =
        members.iter().map(|m| (m.id.clone(), m.body.clone(), m.dormant)).collect();
    for (n, member) in members.iter_mut().enumerate() {
        let next = all[n + 1..].iter().chain(&all[..n]).filter(|(_, _, dormant)| !dormant);
        let (others, own): (Vec<_>, Vec<_>) = next.partition(|(_, body, _)| *body != member.body);
        member.witnesses = others.into_iter().chain(own).map(|(id, ..)| id.clone()).take(WITNESSES).collect();
    }
}
