//! The audit, check by check, over the logs of one finished round in which one thing is changed.
//!
//! Claim: what is wrong fails, in the log of who wrote it and at its entry; what cannot be recomputed from
//! the logs at hand is counted as that and convicts nobody. Source: LOG section 7.

mod common;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use common::logs::{Told, check_in};
use common::{LOSS, PERIOD, Story};
use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, MemberId};
use datacoop_protocol::audit::{Check, Outcome, entry_proof, public_blobs};
use datacoop_protocol::entry::Body;
use datacoop_protocol::log::note::{Checkpoint, open_checkpoint, sign_checkpoint};
use datacoop_protocol::log::tree::verify_inclusion;
use datacoop_protocol::rounds::Kind;
use datacoop_sim::audits::{audit, audit_one};

/// A round of five that was answered: two seats, neither of them the asker's.
fn told() -> Told {
    static TOLD: OnceLock<Told> = OnceLock::new();
    let told = Told::once(&TOLD, || {
        Told::of(Story::new(5, 64), 5, |story| story.query(Mode::Secure, LOSS, 5, PERIOD))
    });
    assert!(told.plan.committee.len() == 2 && told.plan.seat(told.asker()).is_none());
    told
}

fn found(check: &Check) -> (Outcome, &str) {
    (check.outcome, check.text.as_str())
}

#[test]
fn outcomes_are_printed_by_their_codes() {
    let codes = [Outcome::Pass, Outcome::Skip, Outcome::Warn, Outcome::Fail].map(Outcome::code);
    assert_eq!(codes, ["pass", "skip", "warn", "fail"]);
}

/// Every check says how much it recomputed: one that looks at nothing would pass as well.
#[test]
fn an_honest_round_passes_and_every_check_counts_what_it_recomputed() {
    let told = told();
    let fold = told.logs.fold();
    let blobs = |hash: &Digest| told.logs.blobs.get(hash).cloned();
    for report in audit(&fold, &blobs) {
        let (seated, asked) = (told.plan.seat(&report.member).is_some(), report.member == *told.asker());
        assert!(report.passed(), "{report:#?}");
        // Who watches whom is another test's matter: this charter names no witnesses.
        let checks = report.checks.iter().filter(|check| !["A02", "A04", "A12"].contains(&check.code));
        let texts: BTreeMap<&str, (Outcome, &str)> = checks.map(|check| (check.code, found(check))).collect();
        let entries = told.logs.entries[&report.member].len();
        // A debit cites a roster and a contribution its debit. An asker cites five verdicts and two opens, a
        // seat the roster, five contributions, two freezes, two verifies, five contributions, two closes.
        let cited = 2 + if asked { 7 } else { 0 } + if seated { 17 } else { 0 };
        let steps = 2 + if asked { 2 } else { 0 } + if seated { 2 } else { 0 };
        let opened = 1 + if seated { 2 } else { 0 };
        let expected = BTreeMap::from([
            ("A01", "1 signed head over all entries".to_owned()),
            ("A05", format!("{entries} entries")),
            ("A06", "2 charter entries; each version has its signatures".to_owned()),
            ("A07", format!("{} queries, acceptances and debits replayed", 2 + u8::from(asked))),
            ("A08", "1 debits and voids add up".to_owned()),
            ("A09", format!("{opened} debits and opens of rounds taken part in")),
            ("A10", format!("{} releases recomputed", u8::from(asked))),
            ("A11", format!("{} accepted sets recomputed from range proofs", u8::from(seated))),
            ("A13", format!("{cited} references resolve")),
            ("A14", format!("{steps} steps of rounds set beside earlier ones")),
            ("A15", "0 alerts hold".to_owned()),
        ]);
        let expected: BTreeMap<&str, (Outcome, &str)> =
            expected.iter().map(|(code, text)| (*code, (Outcome::Pass, text.as_str()))).collect();
        assert_eq!(texts, expected, "{}", report.member);
        assert_eq!(report.entries, entries as u64);
    }
}

/// A log that holds nothing is no log to audit, unless somebody hands it in as one.
#[test]
fn an_empty_log_is_audited_only_if_it_is_asked_for() {
    let mut told = told();
    let absent = told.bystander().clone();
    told.logs.cut(&absent, 0);
    let fold = told.logs.fold();
    let audited: Vec<MemberId> = audit(&fold, &|_| None).into_iter().map(|report| report.member).collect();
    assert_eq!(audited.len(), 4);
    assert!(!audited.contains(&absent));
    let report = audit_one(&fold, &absent, &|_| None).unwrap();
    assert!(!report.passed(), "without genesis, charter and head it is none");
    let failed: Vec<&str> =
        report.checks.iter().filter(|c| c.outcome == Outcome::Fail).map(|c| c.code).collect();
    assert_eq!(failed, ["A01", "A06"]);
    assert_eq!(audit_one(&fold, &"GB-EDU-999999".parse().unwrap(), &|_| None), None);
}

/// A01, A03: the head is that of exactly these entries, by the charter's key.
#[test]
fn a_head_of_fewer_entries_or_of_others_is_not_the_head_of_these() {
    let told = told();
    let by = told.bystander();
    let size = told.logs.entries[by].len() as u64;
    let a01 = |told_size: u64, note: String| {
        let mut fold = told.logs.fold();
        fold.set_note(by, told_size, note);
        check_in(&fold, by, "A01", &told.logs.blobs)
    };
    let key = told.logs.founder(by).keys();
    let sign = |head: &_| sign_checkpoint(head, key.log());
    let whole = told.logs.head(by, size);
    assert_eq!(a01(size, sign(&whole)).outcome, Outcome::Pass);
    let shorter = told.logs.head(by, size - 1);
    for told_size in [size - 1, size] {
        let check = a01(told_size, sign(&shorter));
        assert_eq!(found(&check), (Outcome::Fail, "the signed head is not the head of these entries"));
        assert_eq!(check.entry, Some(size - 1));
    }
    assert_eq!(a01(size - 1, sign(&whole)).outcome, Outcome::Fail, "it is said to be of fewer");
    let mut other = whole.clone();
    other.root.0[0] ^= 1;
    assert_eq!(a01(size, sign(&other)).outcome, Outcome::Fail, "of other entries");
    let stranger = told.logs.founder(told.asker()).keys();
    assert_eq!(a01(size, sign_checkpoint(&whole, stranger.log())).outcome, Outcome::Fail, "another's key");
}

/// A10: a release of other sums fails at its entry, once all that it rests on is here.
#[test]
fn a_false_release_fails_and_without_its_opens_nothing_is_said_of_it() {
    let mut told = told();
    let (asker, at) = (told.asker().clone(), told.said(Kind::Release, told.asker()).at.clone());
    let seat = told.plan.committee[0].clone();
    let open = told.said(Kind::Open, &seat).at.index;
    for falsify in [false, true] {
        if falsify {
            told.logs.change(&asker, &at, |entry| {
                let Body::Release { sums, .. } = &mut entry.body else { panic!("a release") };
                sums[0] += 1;
            });
            let check = told.logs.check(&asker, "A10");
            assert_eq!((check.outcome, check.entry), (Outcome::Fail, Some(at.index)));
            assert!(check.text.contains("other sums"), "{}", check.text);
            assert_eq!(told.logs.failures(), [(asker.clone(), "A10")]);
        }
        let mut old = told.logs.clone();
        old.cut(&seat, open);
        let check = old.check(&asker, "A10");
        assert_eq!(
            found(&check),
            (Outcome::Skip, "1 releases recomputed need logs or blobs that are not here"),
            "falsified: {falsify}"
        );
        assert_eq!(old.failures(), []);
    }
}

/// What an entry of a newer program says is not known here, and what follows it is not read: a release that
/// rests on it may be right.
#[test]
fn a_release_that_rests_on_an_entry_of_a_newer_program_is_not_judged() {
    let told = told();
    let (asker, seat) = (told.asker(), &told.plan.committee[1]);
    let open = told.said(Kind::Open, seat).at.clone();
    let close = told.said(Kind::Close, seat).at.clone();
    for newer in [&open, &close] {
        let mut logs = told.logs.clone();
        logs.replace_for_all(seat, newer, "\"v\":1", "\"v\":2");
        assert_eq!(logs.check(asker, "A10").outcome, Outcome::Skip, "entry {}", newer.index);
        assert_eq!(logs.check(asker, "A13").outcome, Outcome::Pass, "what is cited is there all the same");
        let check = logs.check(seat, "A05");
        assert_eq!((check.outcome, check.entry), (Outcome::Fail, Some(newer.index)));
        assert!(check.text.contains("of a newer program"), "{}", check.text);
    }
    // What is newer and stands after all that the release rests on leaves it as it was: right or false.
    let mut logs = told.logs.clone();
    let body = Body::Alert { query: told.id, code: "release".into(), subject: open.clone() };
    let after = logs.push(seat, told.said(Kind::Open, seat).time, body);
    logs.replace_for_all(seat, &after, "\"v\":1", "\"v\":2");
    assert_eq!(logs.check(asker, "A10").outcome, Outcome::Pass);
    logs.change(asker, &told.said(Kind::Release, asker).at, |entry| {
        let Body::Release { sums, .. } = &mut entry.body else { panic!("a release") };
        sums[0] += 1;
    });
    assert_eq!(logs.check(asker, "A10").outcome, Outcome::Fail);
}

/// A11: a seat that closes with another set than the proofs give is found by the blobs, at its close.
#[test]
fn a_close_with_another_set_than_the_proofs_give_fails_where_the_proofs_are_here() {
    let mut told = told();
    let seat = told.plan.committee[0].clone();
    let close = told.said(Kind::Close, &seat).at.clone();
    let bare = |told: &Told| check_in(&told.logs.fold(), &seat, "A11", &BTreeMap::new());
    let skipped = "1 accepted sets recomputed from range proofs need logs or blobs that are not here";
    assert_eq!(found(&bare(&told)), (Outcome::Skip, skipped));
    told.logs.change(&seat, &close, |entry| {
        let Body::Close { accepted, .. } = &mut entry.body else { panic!("a close") };
        accepted.pop();
    });
    let check = told.logs.check(&seat, "A11");
    assert_eq!((check.outcome, check.entry), (Outcome::Fail, Some(close.index)));
    assert_eq!(found(&bare(&told)), (Outcome::Skip, skipped), "without the blobs nothing is said");
}

/// Of other proofs than those that are here a close is not proved, though the same set follows from these: an
/// auditor that goes on from this audit will look again.
#[test]
fn a_close_over_other_proofs_than_are_here_is_not_proved() {
    let mut told = told();
    let seat = told.plan.committee[0].clone();
    let proved = |told: &Told| {
        let blobs = |hash: &Digest| told.logs.blobs.get(hash).cloned();
        audit_one(&told.logs.fold(), &seat, &blobs).unwrap().is_proved
    };
    assert!(proved(&told));
    let close = told.said(Kind::Close, &seat).at.clone();
    told.logs.change(&seat, &close, |entry| {
        let Body::Close { verifies, .. } = &mut entry.body else { panic!("a close") };
        verifies[1].leaf.0[0] ^= 1;
    });
    assert!(!proved(&told));
    assert_eq!(told.logs.check(&seat, "A11").outcome, Outcome::Skip);
}

/// A13: what an entry cites is in the log that it names, or in another history of it that its owner showed
/// its author: a warning, unless that cannot be; what a log that is here in an old copy says later
/// is not known, except to that log's own author.
#[test]
fn a_reference_fails_where_its_log_says_otherwise_and_waits_where_it_is_not_here() {
    let told = told();
    let (asker, other) = (told.asker(), told.bystander());
    let roster = told.said(Kind::Roster, asker).at.clone();
    let cites = |change: &dyn Fn(&mut Vec<datacoop_protocol::entry::Ref>)| {
        let mut logs = told.logs.clone();
        logs.change_for_all(asker, &roster, |entry| {
            let Body::Roster { verdicts, .. } = &mut entry.body else { panic!("a roster") };
            change(verdicts);
        });
        logs.check(asker, "A13")
    };
    let of = told.plan.members.iter().position(|id| id == other).unwrap();
    let own = told.plan.members.iter().position(|id| id == asker).unwrap();
    let failed = |check: Check| (check.outcome, check.entry);
    let wrong = (Outcome::Fail, Some(roster.index));
    let shown = (Outcome::Warn, Some(roster.index));
    assert_eq!(failed(cites(&|refs| refs[of].leaf.0[0] ^= 1)), shown, "its owner may have shown other bytes");
    let verdict = told.said(Kind::Verdict, other).at.clone();
    assert_eq!(failed(cites(&|refs| refs[of].index -= 1)), wrong, "another place");
    // Both histories may have the open after it.
    let seat = &told.plan.committee[0];
    let of_seat = told.plan.members.iter().position(|id| id == seat).unwrap();
    assert!(told.said(Kind::Open, seat).at.index > verdict.index);
    assert_eq!(failed(cites(&|refs| refs[of_seat].leaf.0[0] ^= 1)), shown, "and it cites the open after it");
    // Nobody has seen two.
    let mut two = told.logs.clone();
    two.change_for_all(asker, &roster, |entry| {
        let Body::Roster { verdicts, .. } = &mut entry.body else { panic!("a roster") };
        verdicts[of].leaf.0[0] ^= 1;
        let mut third = verdicts[of].clone();
        third.leaf.0[0] ^= 2;
        verdicts.push(third);
    });
    assert_eq!(failed(two.check(asker, "A13")), wrong, "two other histories");
    assert_eq!(failed(cites(&|refs| refs[of].log = "nobody.example".into())), wrong, "a log of no member");
    assert_eq!(failed(cites(&|refs| refs[own].index = 9_999)), wrong, "its own future");
    let next = told.logs.entries[other].len() as u64;
    assert_eq!(
        failed(cites(&|refs| refs[of].index = next)),
        wrong,
        "what stands here already, said to be later"
    );
    let later = cites(&|refs| {
        refs[of].index = next;
        refs[of].leaf.0[0] ^= 1;
    });
    assert_eq!((later.outcome, later.entry), (Outcome::Pass, None), "what another's log may say by now");

    let verdict = verdict.index;
    let waits = "8 references resolve; 1 more need logs or blobs that are not here";
    for (entries, text) in [(0, waits), (verdict, waits), (verdict + 1, "9 references resolve")] {
        let mut old = told.logs.clone();
        old.cut(other, entries);
        assert_eq!(found(&old.check(asker, "A13")), (Outcome::Pass, text), "{entries} entries");
    }
}

/// An entry's proof is what a third party checks with the log's key alone.
#[test]
fn an_entry_is_proved_to_whoever_holds_the_logs_key() {
    let told = told();
    let fold = told.logs.fold();
    let log = fold.log(told.asker()).unwrap();
    for index in 0..log.size() {
        let proof = entry_proof(log, index).unwrap();
        let (head, note) = proof.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        assert_eq!(lines.next(), Some("c2sp.org/tlog-proof@v1"));
        assert_eq!(lines.next(), Some(format!("index {index}").as_str()));
        // A head's root is written as a hash of a proof is.
        let hash = |line| Checkpoint::parse(&format!("log\n1\n{line}\n")).unwrap().root;
        let hashes: Vec<Digest> = lines.map(hash).collect();
        let checkpoint = open_checkpoint(note, &log.origin, &log.key()).unwrap();
        let leaf = log.reference(index).unwrap().leaf;
        assert_eq!(verify_inclusion(leaf, index, checkpoint.size, &hashes, checkpoint.root), Ok(()));
    }
    assert_eq!(entry_proof(log, log.size()), None, "no head covers what is not there");
}

/// An export holds the verifier shares of whoever held a seat, and nothing of anybody else's.
#[test]
fn the_public_blobs_of_a_log_are_its_verifier_shares() {
    let told = told();
    let fold = told.logs.fold();
    for member in &told.plan.members {
        let blobs = public_blobs(&fold, member);
        let expected = told.round.said(Kind::Verify, member).map(|logged| {
            let Body::Verify { blob, .. } = &logged.body else { panic!("a verify") };
            assert!(told.logs.blobs.contains_key(blob));
            (*blob, "verifier shares")
        });
        assert_eq!(blobs, expected.into_iter().collect(), "{member}");
    }
}
