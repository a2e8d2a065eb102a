//! Cosignatures: what a witness says about a log's head, and how many make a quorum. A witness signs only
//! what it copied and hashed itself, so a cosignature also says "I hold every entry".
//!
//! Source: c2sp.org/tlog-cosignature (`cosignature/v1`, kind 0x04) and c2sp.org/tlog-policy; LOG section 5.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datacoop_policy::MemberId;
use datacoop_policy::charter::{Charter, NamedKey};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::checked::Checked;

use super::note::{
    Checkpoint, DASH, KIND_COSIGNATURE, KIND_ED25519, NoteError, fail, key_id, parse_signature, parse_vkey,
    split_note, vkey,
};

/// A witness's word on a checkpoint: when it signed, unix seconds, and its signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cosignature {
    /// Unix seconds, by the witness's clock.
    pub time: u64,
    /// Ed25519 over `cosignature/v1`, the time and the checkpoint's text.
    pub signature: [u8; 64],
}

fn signed_text(checkpoint: &Checkpoint, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{}", checkpoint.text())
}

impl Cosignature {
    /// Cosigns a checkpoint.
    pub fn sign(checkpoint: &Checkpoint, time: u64, key: &SigningKey) -> Self {
        Self { time, signature: key.sign(signed_text(checkpoint, time).as_bytes()).to_bytes() }
    }

    /// Whether the holder of a witness key said this about the checkpoint.
    pub fn holds(&self, checkpoint: &Checkpoint, key: &[u8; 32]) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(key) else { return false };
        let signature = Signature::from_bytes(&self.signature);
        key.verify_strict(signed_text(checkpoint, self.time).as_bytes(), &signature).is_ok()
    }

    /// As `holds`, unless that was seen before.
    pub fn holds_once(&self, checkpoint: &Checkpoint, key: &[u8; 32], checked: &Checked) -> bool {
        self.once(checkpoint, key, checked, || self.holds(checkpoint, key))
    }

    /// As `sign`. That this very key signed it here is remembered: nobody on this machine needs to compute it again.
    pub fn sign_known(checkpoint: &Checkpoint, time: u64, key: &SigningKey, checked: &Checked) -> Self {
        let said = Self::sign(checkpoint, time, key);
        said.once(checkpoint, key.verifying_key().as_bytes(), checked, || true);
        said
    }

    fn once(
        &self,
        checkpoint: &Checkpoint,
        key: &[u8; 32],
        checked: &Checked,
        check: impl FnOnce() -> bool,
    ) -> bool {
        let text = signed_text(checkpoint, self.time);
        checked.once(&[b"cosignature".as_slice(), key, text.as_bytes(), &self.signature], check)
    }

    /// As a signature line of the checkpoint's note, with its LF.
    pub fn line(&self, witness: &NamedKey) -> String {
        let mut bytes = key_id(&witness.name, KIND_COSIGNATURE, &witness.key).to_vec();
        bytes.extend(self.time.to_be_bytes());
        bytes.extend(self.signature);
        format!("{DASH}{} {}\n", witness.name, STANDARD.encode(bytes))
    }
}

/// The cosignatures of known witnesses on a note, by the witness's place in `witnesses`; of a witness that
/// signed twice the earliest, for what it held then it holds still. Lines of unknown keys are ignored.
///
/// Errors: not a note over this checkpoint, or a known witness's line that does not hold.
pub fn cosignatures(
    note: &str,
    checkpoint: &Checkpoint,
    witnesses: &[NamedKey],
) -> Result<Vec<(usize, Cosignature)>, NoteError> {
    let (text, lines) = split_note(note)?;
    if text != checkpoint.text() {
        return fail("a note over another checkpoint");
    }
    let mut found: Vec<(usize, Cosignature)> = vec![];
    for line in lines {
        let (name, id, bytes) = parse_signature(line)?;
        let known =
            witnesses.iter().position(|w| w.name == name && key_id(name, KIND_COSIGNATURE, &w.key) == id);
        let Some(index) = known else { continue };
        let Some((time, signature)) = bytes.split_first_chunk::<8>() else {
            return fail(format!("the cosignature of `{name}` is too short"));
        };
        let Ok(signature) = signature.try_into() else {
            return fail(format!("the cosignature of `{name}` has another length"));
        };
        let cosignature = Cosignature { time: u64::from_be_bytes(*time), signature };
        if !cosignature.holds(checkpoint, &witnesses[index].key) {
            return fail(format!("the cosignature of `{name}` does not fit the checkpoint"));
        }
        match found.iter_mut().find(|(known, _)| *known == index) {
            Some((_, earlier)) if cosignature.time < earlier.time => *earlier = cosignature,
            Some(_) => {}
            None => found.push((index, cosignature)),
        }
    }
    found.sort_unstable_by_key(|(index, _)| *index);
    Ok(found)
}

/// How many of n witnesses make a quorum: 1 + floor(2n/3), or none where none are named. Then up to
/// `2 quorum - n - 1` that lie with the log's owner cannot show two histories, and `n - quorum` may be away.
pub fn quorum(witnesses: usize) -> usize {
    if witnesses == 0 { 0 } else { 1 + 2 * witnesses / 3 }
}

/// The witness keys that the charter names for a member's log, in its order.
pub fn witness_keys(charter: &Charter, member: &MemberId) -> Vec<NamedKey> {
    let named = charter.member(member).map(|member| member.witnesses.as_slice()).unwrap_or_default();
    named.iter().filter_map(|id| charter.member(id)).map(|witness| witness.keys.witness.clone()).collect()
}

/// Who must have cosigned a log: what a C2SP policy file says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WitnessPolicy {
    /// The log's own key.
    pub log: NamedKey,
    /// Its witnesses.
    pub witnesses: Vec<NamedKey>,
    /// How many of them must; 0 where none are named.
    pub quorum: usize,
}

impl WitnessPolicy {
    /// Of a member's log; `None` for no member.
    pub fn of(charter: &Charter, member: &MemberId) -> Option<Self> {
        let witnesses = witness_keys(charter, member);
        let log = charter.member(member)?.keys.log.clone();
        Some(Self { log, quorum: quorum(witnesses.len()), witnesses })
    }

    /// Its text.
    pub fn text(&self) -> String {
        let log = vkey(&self.log, KIND_ED25519);
        if self.witnesses.is_empty() {
            return format!("log {log}\nquorum none\n");
        }
        let name = |index: usize| format!("w{}", index + 1);
        let lines = self.witnesses.iter().enumerate();
        let lines = lines.map(|(i, key)| format!("witness {} {}\n", name(i), vkey(key, KIND_COSIGNATURE)));
        let names: Vec<String> = (0..self.witnesses.len()).map(name).collect();
        let (lines, names, k) = (lines.collect::<String>(), names.join(" "), self.quorum);
        format!("log {log}\n{lines}group witnesses {k} {names}\nquorum witnesses\n")
    }

    /// Reads `text`, in its only form: other policies that C2SP allows are refused, not guessed at.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut log = None;
        let (mut witnesses, mut quorum) = (vec![], 0);
        for line in text.lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["log", key] => log = Some(parse_vkey(key, KIND_ED25519)?),
                ["witness", _, key] => witnesses.push(parse_vkey(key, KIND_COSIGNATURE)?),
                ["group", "witnesses", count, ..] => quorum = count.parse().unwrap_or(0),
                _ => {}
            }
        }
        let Some(log) = log else { return fail("a policy names the key of its log: `log <vkey>`") };
        let policy = Self { log, witnesses, quorum };
        let possible = policy.quorum <= policy.witnesses.len();
        let counted = policy.witnesses.is_empty() == (policy.quorum == 0);
        if possible && counted && policy.text() == text {
            Ok(policy)
        } else {
            fail("a policy in another form than `policy` of an export has")
        }
    }
}

/// Who must have cosigned a member's log, as a C2SP policy file. `None` for no member.
pub fn policy_text(charter: &Charter, member: &MemberId) -> Option<String> {
    WitnessPolicy::of(charter, member).map(|policy| policy.text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::note::sign_checkpoint;
    use crate::log::tree::empty_root;

    fn key(seed: u8) -> (SigningKey, NamedKey) {
        let signing = SigningKey::from_bytes(&[seed; 32]);
        let key = signing.verifying_key().to_bytes();
        (signing, NamedKey { name: format!("k{seed}.example/witness/1"), key })
    }

    fn cosigned(times: &[(u8, u64)]) -> (Checkpoint, String) {
        let (log, name) = key(1);
        let checkpoint = Checkpoint { origin: name.name, size: 3, root: empty_root() };
        let lines = times.iter().map(|(seed, time)| {
            let (signing, named) = key(*seed);
            Cosignature::sign(&checkpoint, *time, &signing).line(&named)
        });
        let note = sign_checkpoint(&checkpoint, &log) + &lines.collect::<String>();
        (checkpoint, note)
    }

    #[test]
    fn witnesses_are_found_by_key_and_the_earliest_word_of_each_counts() {
        let (checkpoint, note) = cosigned(&[(4, 90), (3, 70), (4, 80), (9, 60)]);
        let known = [key(3).1, key(4).1, key(5).1];
        let found = cosignatures(&note, &checkpoint, &known).unwrap();
        let times: Vec<(usize, u64)> = found.iter().map(|(index, c)| (*index, c.time)).collect();
        assert_eq!(times, [(0, 70), (1, 80)]);
        assert!(found.iter().all(|(index, c)| c.holds(&checkpoint, &known[*index].key)));
    }

    #[test]
    fn a_changed_byte_leaves_no_cosignature() {
        let (checkpoint, note) = cosigned(&[(3, 70)]);
        let known = [key(3).1];
        // The line of the log's own key is for `open_checkpoint` to read.
        let (text, line) = (checkpoint.text().len() + 1, note.rfind(DASH).unwrap());
        for i in (0..text).chain(line..note.len()) {
            let mut bytes = note.clone().into_bytes();
            bytes[i] ^= 1;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            let found = cosignatures(&text, &checkpoint, &known);
            assert!(found.is_err() || found.is_ok_and(|found| found.is_empty()), "byte {i}");
        }
        let other = Checkpoint { size: 4, ..checkpoint };
        assert!(cosignatures(&note, &other, &known).is_err(), "a note over another checkpoint");
    }

    #[test]
    fn a_time_or_a_plain_signature_by_the_same_key_is_no_cosignature() {
        let (signing, named) = key(3);
        let (checkpoint, _) = cosigned(&[]);
        let cosignature = Cosignature::sign(&checkpoint, 70, &signing);
        assert!(!Cosignature { time: 71, ..cosignature }.holds(&checkpoint, &named.key));
        let plain = signing.sign(checkpoint.text().as_bytes()).to_bytes();
        assert!(!Cosignature { time: 70, signature: plain }.holds(&checkpoint, &named.key));
    }

    #[test]
    fn what_a_key_signed_here_is_known_under_that_key_alone() {
        let (signing, named) = key(3);
        let ((checkpoint, _), checked) = (cosigned(&[]), Checked::default());
        let said = Cosignature::sign_known(&checkpoint, 70, &signing, &checked);
        assert_eq!(said, Cosignature::sign(&checkpoint, 70, &signing));
        assert!(said.holds_once(&checkpoint, &named.key, &checked));
        assert!(!said.holds_once(&checkpoint, &key(4).1.key, &checked));
        assert!(!Cosignature { time: 71, ..said }.holds_once(&checkpoint, &named.key, &checked));
    }

    #[test]
    fn a_quorum_is_as_the_table_has_it() {
        let table = [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (8, 6), (9, 7), (10, 7)];
        assert!(table.iter().all(|(n, k)| quorum(*n) == *k));
        assert_eq!(quorum(0), 0);
    }
}
