//! What the audit says of a member's own log (A06 to A09) and of alerts about it (A15), where one entry is
//! changed or added: the fault is found in the log of who wrote it, at that entry, and in nobody else's.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::OnceLock;

use common::logs::{Logs, Told};
use common::{LOSS, PERIOD, Story};
use datacoop_policy::ledger::{Account, Debit};
use datacoop_policy::limits::Limits;
use datacoop_policy::query::Mode;
use datacoop_policy::{AcademicYear, Digest, MemberId, PrivacyLoss, Span};
use datacoop_protocol::audit::{Check, Outcome};
use datacoop_protocol::entry::{Body, Ref};
use datacoop_protocol::rounds::Kind;

fn told() -> Told {
    static TOLD: OnceLock<Told> = OnceLock::new();
    let told = Told::once(&TOLD, || {
        Told::of(Story::new(5, 64), 5, |story| story.query(Mode::Secure, LOSS, 5, PERIOD))
    });
    assert!(told.plan.committee.len() == 2 && told.plan.seat(told.asker()).is_none());
    told
}

fn full_noise() -> Told {
    Told::of(Story::new(4, 66), 4, |story| story.query(Mode::FullNoise, LOSS, 3, PERIOD))
}

fn fails_at(check: &Check, entry: u64, text: &str) {
    assert_eq!((check.outcome, check.entry), (Outcome::Fail, Some(entry)), "{}", check.text);
    assert!(check.text.contains(text), "{}", check.text);
}

/// The check of a log in which one entry is written otherwise, and whether it fails there.
fn changed(told: &Told, by: &MemberId, at: &Ref, code: &str, change: impl FnOnce(&mut Body)) -> Check {
    let mut logs = told.logs.clone();
    logs.change_for_all(by, at, |entry| change(&mut entry.body));
    logs.check(by, code)
}

fn at(told: &Told, by: &MemberId, index: u64) -> Ref {
    told.logs.fold().log(by).unwrap().reference(index).unwrap()
}

/// The round where nothing was frozen: the seats' logs end before, the asker's after the roster.
fn unfrozen(told: &Told) -> Logs {
    let mut logs = told.logs.clone();
    for seat in &told.plan.committee {
        logs.cut(seat, told.said(Kind::Freeze, seat).at.index);
    }
    logs.cut(told.asker(), told.said(Kind::Release, told.asker()).at.index);
    logs
}

#[test]
fn a_log_begins_with_its_own_name_keys_and_charter() {
    let told = told();
    let by = told.bystander();
    let (first, second) = (at(&told, by, 0), at(&told, by, 1));
    let genesis = |change: &dyn Fn(&mut Body)| changed(&told, by, &first, "A06", |body| change(body));
    assert_eq!(genesis(&|_| ()).outcome, Outcome::Pass);
    let other = "the log was begun under another charter or name";
    fails_at(
        &genesis(&|body| {
            let Body::Genesis { origin, .. } = body else { panic!("genesis") };
            origin.push('x');
        }),
        0,
        other,
    );
    fails_at(
        &genesis(&|body| {
            let Body::Genesis { charter, .. } = body else { panic!("genesis") };
            charter.0[0] ^= 1;
        }),
        0,
        other,
    );
    for label in ["charter", "log", "seal", "transport", "witness"] {
        let check = genesis(&|body| {
            let Body::Genesis { keys, .. } = body else { panic!("genesis") };
            let key = keys.get_mut(label).unwrap();
            let changed = if key.contains('B') { key.replace('B', "C") } else { key.replace('A', "B") };
            assert_ne!(*key, changed);
            *key = changed;
        });
        fails_at(&check, 0, "other keys than the charter holds");
    }
    for label in ["charter", "log", "transport", "witness"] {
        let signed = genesis(&|body| {
            let Body::Genesis { proofs, .. } = body else { panic!("genesis") };
            let other = proofs[if label == "log" { "charter" } else { "log" }].clone();
            proofs.insert(label.to_owned(), other);
        });
        fails_at(&signed, 0, &format!("the {label} key did not sign"));
        let missing = genesis(&|body| {
            let Body::Genesis { proofs, .. } = body else { panic!("genesis") };
            proofs.remove(label);
        });
        fails_at(&missing, 0, "proves itself once");
    }
    let charter = |change: &dyn Fn(&mut u32, &mut Digest)| {
        changed(&told, by, &second, "A06", |body| {
            let Body::Charter { version, hash, .. } = body else { panic!("a charter") };
            change(version, hash);
        })
    };
    assert_eq!(charter(&|_, _| ()).outcome, Outcome::Pass);
    // A version that was not given cannot be looked at, and that is told; there is none before the first.
    let another = |number: u32| charter(&|version, hash| (*version, hash.0[0]) = (number, hash.0[0] ^ 1));
    let later = another(2);
    assert!(later.outcome == Outcome::Warn && later.text.contains("not in the chain here"), "{later:?}");
    fails_at(&another(0), 1, "there is no version 0");
    fails_at(&charter(&|version, _| *version += 1), 1, "another charter was put in force");
    fails_at(&charter(&|_, hash| hash.0[0] ^= 1), 1, "another charter was put in force");
}

/// A07: what was accepted or debited after its time should have been refused.
#[test]
fn an_acceptance_after_its_time_fails_the_log_of_who_accepted() {
    let told = told();
    let by = told.bystander();
    let verdict = told.said(Kind::Verdict, by).at.clone();
    let at_time = |time| {
        let mut logs = told.logs.clone();
        // With another verdict the roster is another, and with it the seats: only A07 is looked at.
        logs.change_for_all(by, &verdict, |entry| entry.at = time);
        told.plan.members.iter().map(|id| (id.clone(), logs.check(id, "A07"))).collect::<Vec<_>>()
    };
    let right = at_time(told.plan.query.join_by);
    assert!(right.iter().all(|(_, check)| check.outcome == Outcome::Pass), "{right:?}");
    for (id, check) in at_time(told.plan.query.join_by + Span::from_seconds(1)) {
        if id == *by {
            fails_at(&check, verdict.index, "should have been refused");
        } else {
            assert_eq!(check.outcome, Outcome::Pass, "{id}");
        }
    }
}

/// A07: who debits a Roster that makes no round is at fault, once the Query and the Roster are here.
#[test]
fn a_debit_for_an_unlawful_roster_fails_if_all_it_rests_on_is_here() {
    let told = told();
    let by = told.bystander();
    let debit = told.said(Kind::Debit, by).at.index;
    let mut logs = told.logs.clone();
    logs.change_for_all(told.asker(), &told.said(Kind::Roster, told.asker()).at, |entry| {
        let Body::Roster { verdicts, .. } = &mut entry.body else { panic!("a roster") };
        verdicts.pop();
    });
    fails_at(&logs.check(by, "A07"), debit, "a roster that is not lawful");
    for entries in [0, told.plan.roster.index] {
        let mut old = logs.clone();
        old.cut(told.asker(), entries);
        assert_ne!(old.check(by, "A07").outcome, Outcome::Fail, "{entries} entries");
    }
}

fn debit_of(query: u8, before: u64, loss: u64, after: u64, roster: &Ref) -> Body {
    let account = Account { dataset: "exam".into(), year: AcademicYear(2025) };
    let [before, loss, after] = [before, loss, after].map(PrivacyLoss::from_nano);
    let debit = Debit { account, before, loss, after };
    Body::Debit { query: Digest([query; 32]), roster: roster.clone(), nonce: [1; 32], debit }
}

/// A08: the Ledger of one log needs no other log. Of a debit whose Query is not here it is not known what it
/// was for; that it adds up, and stays within the year's limit, is.
#[test]
fn a_debit_adds_up_and_stays_within_the_years_limit_whatever_it_was_for() {
    let told = told();
    let (by, time) = (told.bystander(), told.plan.query.at);
    let limit = Limits::floor().rho_year.nano();
    let with = |bodies: &[Body]| {
        let mut logs = told.logs.clone();
        let last = bodies.iter().map(|body| logs.push(by, time, body.clone())).last().unwrap();
        (logs.check(by, "A08"), last.index)
    };
    let of = |query, before, loss, after| debit_of(query, before, loss, after, &told.plan.roster);
    let rest = limit - LOSS;
    let (check, _) = with(&[of(1, LOSS, rest, limit)]);
    let text = "1 debits and voids add up; 1 more need logs or blobs that are not here";
    assert_eq!((check.outcome, check.text.as_str()), (Outcome::Pass, text), "exactly the limit");
    let (check, last) = with(&[of(1, LOSS, rest, limit), of(2, limit, 1, limit + 1)]);
    fails_at(&check, last, &format!("exam/2025/26 after {} limit {limit}", limit + 1));
    let (check, last) = with(&[of(1, 0, LOSS, LOSS)]);
    fails_at(&check, last, "does not add up");
    let (check, last) = with(&[of(1, LOSS, LOSS, LOSS)]);
    fails_at(&check, last, "does not add up");
}

#[test]
fn a_void_of_what_was_used_and_a_contribution_without_a_debit_fail_with_or_without_the_query() {
    let told = told();
    let (by, time) = (told.bystander(), told.plan.query.at);
    let debit = told.said(Kind::Debit, by).at.clone();
    let given = told.said(Kind::Contribution, by);
    let void = |query| Body::Void { query, debit: debit.clone(), code: "veto".into() };
    let mut used = told.logs.clone();
    let at = used.push(by, time, void(told.id));
    fails_at(&used.check(by, "A08"), at.index, "a void of a debit that was used");
    assert_eq!(used.failures(), [(by.clone(), "A08")], "nobody else is to blame");

    let mut undebited = told.logs.clone();
    undebited.cut(by, debit.index);
    let at = undebited.push(by, time, given.body.clone());
    fails_at(&undebited.check(by, "A08"), at.index, "without a debit");
    undebited.cut(told.asker(), 0);
    fails_at(&undebited.check(by, "A08"), at.index, "without a debit");
    let mut unknown = told.logs.clone();
    unknown.cut(told.asker(), 0);
    let check = unknown.check(by, "A08");
    let text = "1 debits and voids add up need logs or blobs that are not here";
    assert_eq!((check.outcome, check.text.as_str()), (Outcome::Skip, text));
}

/// A08, A09: what a member says a second time is its own fault alone.
#[test]
fn a_repeated_debit_fails_its_author_and_nobody_else() {
    let told = told();
    let by = told.bystander();
    let debit = told.said(Kind::Debit, by);
    let mut logs = told.logs.clone();
    let again = logs.push(by, debit.time, debit.body.clone());
    assert_eq!(logs.failures(), [(by.clone(), "A08"), (by.clone(), "A09")]);
    fails_at(&logs.check(by, "A08"), again.index, "does not add up");
    fails_at(&logs.check(by, "A09"), again.index, "says again");
}

/// A09: a debit is used or voided by the time its author writes again after the round's last deadline.
#[test]
fn a_debit_left_hanging_fails_once_its_author_wrote_after_the_round_was_over() {
    let told = told();
    let (by, asker) = (told.bystander(), told.asker());
    let close_by = told.plan.query.close_by;
    let debit = told.said(Kind::Debit, by).at.index;
    let mut hanging = unfrozen(&told);
    hanging.cut(by, told.said(Kind::Contribution, by).at.index);
    let elsewhere = Body::Abort { query: Digest([9; 32]), code: "few".into() };
    let abort = Body::Abort { query: told.id, code: "close".into() };
    for (ended, wrote, hangs) in [
        (true, Some(close_by + Span::from_seconds(1)), true),
        (true, Some(close_by), false),
        (true, None, false),
        (false, Some(close_by + Span::from_seconds(1)), false),
    ] {
        let mut logs = hanging.clone();
        if ended {
            logs.push(asker, close_by, abort.clone());
        }
        if let Some(time) = wrote {
            logs.push(by, time, elsewhere.clone());
        }
        let check = logs.check(by, "A09");
        if hangs {
            fails_at(&check, debit, "neither used nor voided");
        } else {
            assert_eq!(check.outcome, Outcome::Pass, "ended: {ended}, wrote: {wrote:?}");
        }
    }
    let mut settled = hanging.clone();
    settled.push(asker, close_by, abort);
    let late = close_by + Span::from_seconds(1);
    let debit = told.said(Kind::Debit, by).at.clone();
    settled.push(by, late, Body::Void { query: told.id, debit, code: "window".into() });
    assert_eq!(settled.check(by, "A09").outcome, Outcome::Pass);
}

#[test]
fn a_debit_of_another_nonce_than_was_promised_fails() {
    let told = told();
    let by = told.bystander();
    let debit = told.said(Kind::Debit, by).at.clone();
    let check = changed(&told, by, &debit, "A09", |body| {
        let Body::Debit { nonce, .. } = body else { panic!("a debit") };
        nonce[0] ^= 1;
    });
    fails_at(&check, debit.index, "debits another roster, loss or nonce");
}

#[test]
fn a_seat_that_opens_another_verify_key_part_fails() {
    let told = told();
    let seat = &told.plan.committee[1];
    let freeze = told.said(Kind::Freeze, seat).at.clone();
    let check = changed(&told, seat, &freeze, "A09", |body| {
        let Body::Freeze { vk_part: Some(part), .. } = body else { panic!("a freeze") };
        part[0] ^= 1;
    });
    fails_at(&check, freeze.index, "opens another verify-key part");
}

/// A09: an open is a seat's, of what it closed with, after all had closed, and it never aborted.
#[test]
fn an_open_is_a_seats_own_after_all_closes() {
    let told = told();
    let (seat, by) = (&told.plan.committee[0], told.bystander());
    let open = told.said(Kind::Open, seat);
    let opened = |change: &dyn Fn(&mut Body)| changed(&told, seat, &open.at, "A09", |body| change(body));
    fails_at(
        &opened(&|body| {
            let Body::Open { share, .. } = body else { panic!("an open") };
            share[0] ^= 1;
        }),
        open.at.index,
        "opens another share than was committed to",
    );
    fails_at(
        &opened(&|body| {
            let Body::Open { closes, .. } = body else { panic!("an open") };
            closes.swap(0, 1);
        }),
        open.at.index,
        "before all seats closed",
    );
    let mut aborted = told.logs.clone();
    aborted.push(seat, open.time, Body::Abort { query: told.id, code: "close".into() });
    fails_at(&aborted.check(seat, "A09"), open.at.index, "opens what its author also aborted");
    assert_eq!(aborted.failures(), [(seat.clone(), "A09")]);

    let mut unseated = told.logs.clone();
    let at = unseated.push(by, open.time, open.body.clone());
    fails_at(&unseated.check(by, "A09"), at.index, "opens without a committee seat");

    let close = told.said(Kind::Close, seat);
    let mut early = told.logs.clone();
    early.cut(seat, close.at.index);
    let at = early.push(seat, open.time, open.body.clone());
    early.push(seat, open.time, close.body.clone());
    fails_at(&early.check(seat, "A09"), at.index, "opens what its author never closed");

    // Another seat's close is not here: whether all had closed is not known.
    let other = &told.plan.committee[1];
    let mut old = told.logs.clone();
    old.cut(other, told.said(Kind::Close, other).at.index);
    assert_ne!(old.check(seat, "A09").outcome, Outcome::Fail);
    let mut revealed = told.logs.clone();
    let (query, salt) = (told.id, [0; 32]);
    let body = Body::Reveal { query, freeze: told.said(Kind::Freeze, seat).at.clone(), vector: vec![], salt };
    revealed.cut(seat, open.at.index);
    let at = revealed.push(seat, open.time, body);
    fails_at(&revealed.check(seat, "A09"), at.index, "opens as another mode would");
}

/// A09 of a full-noise round: a reveal opens its own commitment under the asker's freeze. An asker that got
/// too few vectors reveals its own and aborts, which is no fault.
#[test]
fn a_reveal_opens_its_commitment_under_the_freeze() {
    let told = full_noise();
    let by = told.bystander();
    assert_eq!(told.logs.check(by, "A09").text, "2 debits and opens of rounds taken part in");
    assert_eq!(told.logs.failures(), []);
    let reveal = told.said(Kind::Open, by).at.clone();
    let text = "opens another vector than was committed to, or before the freeze";
    let check = changed(&told, by, &reveal, "A09", |body| {
        let Body::Reveal { vector, .. } = body else { panic!("a reveal") };
        vector[0] += 1;
    });
    fails_at(&check, reveal.index, text);
    let elsewhere = told.said(Kind::Debit, told.asker()).at.clone();
    let check = changed(&told, by, &reveal, "A09", |body| {
        let Body::Reveal { freeze, .. } = body else { panic!("a reveal") };
        *freeze = elsewhere;
    });
    fails_at(&check, reveal.index, text);
    let mut aborted = told.logs.clone();
    let late = told.plan.query.close_by;
    aborted.push(told.asker(), late, Body::Abort { query: told.id, code: "close".into() });
    assert_eq!(aborted.failures(), []);
}

/// A15: what an alert says of an entry is so, or its author is at fault.
#[test]
fn an_alert_holds_for_the_entry_that_is_what_it_says_and_for_no_other() {
    let told = told();
    let (asker, by) = (told.asker(), told.bystander());
    let time = told.plan.query.close_by + Span::from_seconds(100);
    let alert = |logs: &Logs, code: &str, subject: &Ref| {
        let mut logs = logs.clone();
        let body = Body::Alert { query: told.id, code: code.into(), subject: subject.clone() };
        let at = logs.push(by, time, body);
        let check = logs.check(by, "A15");
        if check.outcome == Outcome::Fail {
            fails_at(&check, at.index, "of an entry that is no such thing");
        }
        check.outcome
    };
    let (roster, verdict) = (told.said(Kind::Roster, asker), told.said(Kind::Verdict, asker));
    let mut twice = told.logs.clone();
    let second = twice.push(asker, time, roster.body.clone());
    let repeated = twice.push(asker, time, verdict.body.clone());
    let foreign = {
        let other = &told.plan.committee[0];
        twice.push(other, time, roster.body.clone());
        twice.push(other, time, roster.body.clone())
    };
    assert_eq!(alert(&twice, "roster", &second), Outcome::Pass);
    assert_eq!(alert(&twice, "roster", &roster.at), Outcome::Fail, "the first is no second");
    // In another history of the asker's it may be; not for who debited it.
    let undebited = told.before(&told.logs, Kind::Debit, &[by]);
    assert_eq!(alert(&undebited, "roster", &roster.at), Outcome::Skip);
    assert_eq!(alert(&twice, "roster", &repeated), Outcome::Fail, "a verdict is no roster");
    assert_eq!(alert(&twice, "roster", &foreign), Outcome::Fail, "nobody else writes one that counts");

    let release = told.said(Kind::Release, asker);
    let mut lied = told.logs.clone();
    lied.change(asker, &release.at, |entry| {
        let Body::Release { sums, .. } = &mut entry.body else { panic!("a release") };
        sums[0] += 1;
    });
    let lie = lied.fold().log(asker).unwrap().reference(release.at.index).unwrap();
    assert_eq!(alert(&lied, "release", &lie), Outcome::Pass);
    assert_eq!(alert(&told.logs, "release", &release.at), Outcome::Fail, "a right release");
    assert_eq!(alert(&lied, "release", &roster.at), Outcome::Fail, "a roster is no release");

    let seat = &told.plan.committee[1];
    let mut kept = told.logs.clone();
    kept.cut(asker, release.at.index);
    kept.cut(seat, told.said(Kind::Open, seat).at.index);
    let abort = kept.push(asker, told.plan.query.at, Body::Abort { query: told.id, code: "close".into() });
    assert_eq!(alert(&kept, "withheld", &told.said(Kind::Close, seat).at), Outcome::Pass);
    assert_eq!(alert(&kept, "withheld", &abort), Outcome::Pass, "the asker's abort keeps it back too");
    assert_eq!(alert(&kept, "withheld", &told.said(Kind::Freeze, seat).at), Outcome::Fail);
    assert_eq!(alert(&kept, "newer", &abort), Outcome::Skip, "a code of a newer program");
}

/// A15: of a log that alerts are about it is said what came of it; an open that was written in time and came
/// late is held against nobody.
#[test]
fn what_a_seat_kept_back_is_told_with_what_it_did_since() {
    let told = told();
    let seat = &told.plan.committee[1];
    let (open, close) = (told.said(Kind::Open, seat), told.said(Kind::Close, seat));
    let close_by = told.plan.query.close_by;
    let mut alerted = told.logs.clone();
    alerted.cut(told.asker(), told.said(Kind::Release, told.asker()).at.index);
    alerted.cut(seat, open.at.index);
    for by in [told.bystander(), told.asker()] {
        let body = Body::Alert { query: told.id, code: "withheld".into(), subject: close.at.clone() };
        alerted.push(by, close_by + Span::from_seconds(61), body.clone());
        alerted.push(by, close_by + Span::from_seconds(61), body);
    }
    let since = |time_and_body: Option<(datacoop_policy::Time, Body)>| {
        let mut logs = alerted.clone();
        if let Some((time, body)) = time_and_body {
            logs.push(seat, time, body);
        }
        let check = logs.check(seat, "A15");
        (check.outcome, check.text)
    };
    let late = close_by + Span::from_seconds(1);
    let warned = |(outcome, text): (Outcome, String), what: &str| {
        assert_eq!(outcome, Outcome::Warn, "{text}");
        assert!(text.contains("2 of 5 members say") && text.contains(what), "{text}");
    };
    warned(since(None), "it has not opened");
    warned(since(Some((late, open.body.clone()))), "its open came after that");
    let abort = Body::Abort { query: told.id, code: "close".into() };
    warned(since(Some((late, abort))), "it aborted at entry");
    assert_eq!(since(Some((close_by, open.body.clone()))).0, Outcome::Pass, "it was on its way");
}

/// Where a lot decides about the seats, who holds one is not known until every debit is here; a debit that
/// spoils the lot leaves no seats at all.
#[test]
fn an_open_before_the_lot_is_drawn_is_judged_when_the_lot_is_spoilt() {
    let many = 24;
    let told = Told::of(Story::new(many, 67), many, |story| story.query(Mode::Secure, LOSS, 24, PERIOD));
    let by = &told.plan.committee[0];
    let absent = told.bystander();
    let debit = told.said(Kind::Debit, absent);
    let mut old = told.logs.clone();
    old.cut(absent, debit.at.index);
    let check = old.check(by, "A09");
    assert_eq!(
        check.text,
        "2 debits and opens of rounds taken part in; 1 more need logs or blobs that are not here"
    );
    let mut spoilt = old.clone();
    let mut wrong = debit.body.clone();
    let Body::Debit { nonce, .. } = &mut wrong else { panic!("a debit") };
    nonce[0] ^= 1;
    spoilt.push(absent, debit.time, wrong);
    // It may rest on another debit, which the absent one showed it: then the lot was drawn. So too where no
    // contribution of the absent one's is added up, and nothing cites its debit.
    assert_eq!(spoilt.check(by, "A09").outcome, Outcome::Pass);
    // Of a round without seats everything is here that a release rests on: it is judged, too.
    assert_eq!(old.check(told.asker(), "A10").outcome, Outcome::Skip);
    let mut seatless = told.logs.clone();
    seatless.change_for_all(absent, &debit.at, |entry| {
        let Body::Debit { nonce, .. } = &mut entry.body else { panic!("a debit") };
        nonce[0] ^= 1;
    });
    let release = told.said(Kind::Release, told.asker()).at.index;
    fails_at(&seatless.check(told.asker(), "A10"), release, "releases other sums");
    let open = told.said(Kind::Open, by).at.index;
    fails_at(&seatless.check(by, "A09"), open, "opens without a committee seat");
}
