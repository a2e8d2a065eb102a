//! Certificates: what an honest one shows, and that none with anything changed passes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;
use std::sync::OnceLock;

use datacoop_policy::charter::Role;
use datacoop_policy::query::Mode;
use datacoop_policy::{MemberId, PrivacyLoss};
use datacoop_protocol::audit::Outcome;
use datacoop_protocol::certificate::{Certificate, HEADER, NotCertified, check};
use datacoop_protocol::entry::{Body, Entry};
use datacoop_protocol::release::{figures, figures_digest};
use datacoop_tests::certified::{Parts, Scene, Story, relink};
use datacoop_tests::{json, program};
use serde_json::Value;

const SECURE: Scene = Scene { members: 5, mode: Mode::Secure, witnesses: 0, seed: 41 };

fn secure() -> &'static Story {
    static STORY: OnceLock<Story> = OnceLock::new();
    STORY.get_or_init(|| Story::tell(SECURE, 2))
}

/// Codes of the checks that came out so.
fn codes(text: &str, outcome: Outcome) -> Vec<&'static str> {
    let checked = check(text.as_bytes()).unwrap();
    checked.checks.iter().filter(|check| check.outcome == outcome).map(|check| check.code).collect()
}

#[test]
fn an_honest_certificate_passes() {
    let text = secure().certificate(0);
    let checked = check(text.as_bytes()).unwrap();
    assert!(checked.passed(), "{:?}", checked.checks);
    assert_eq!(codes(&text, Outcome::Warn), ["C02"], "nobody but the members vouches for it");
    assert_eq!(codes(&text, Outcome::Pass).len(), 10);
    assert!(checked.summary.contains("figure: sex=F, count: "), "{}", checked.summary);
    // What the asker wrote makes no line of its own.
    assert!(checked.summary.contains(r"why: To see\nfigure: all, count: 1000000"), "{}", checked.summary);
    assert!(checked.summary.contains("rho 0.005000000") && !checked.summary.contains("epsilon"));
    assert_eq!(Parts::of(&text).text(), text);
}

/// What was asked under a delegation says so: whether it held, the asker's log shows, and not a certificate.
#[test]
fn a_certificate_says_under_whose_delegation_it_was_asked() {
    let scene = Scene { seed: 49, ..SECURE };
    let story = Story::tell_with(scene, 1, &|draft| draft.members[4].roles = [Role::Voting].into());
    let checked = check(story.certificate(0).as_bytes()).unwrap();
    assert!(checked.passed(), "{:?}", checked.checks);
    let said = checked.checks.iter().find(|check| check.text.contains("asked by")).unwrap();
    let expected = "asked by `DEMO-005` under a delegation by `DEMO-001`, which is in the log of that alone;";
    assert!(said.text.starts_with(expected), "{}", said.text);
    let own = secure().certificate(0);
    let checked = check(own.as_bytes()).unwrap();
    assert!(checked.checks.iter().all(|check| !check.text.contains("delegation")));
}

/// A text that reads as a certificate is the only text of what was read: so a changed byte is refused, or it
/// changes a part of which the checks compare or hash every byte.
#[test]
fn a_certificate_has_one_text() {
    let text = secure().certificate(0);
    let whole = Certificate::parse(&text).unwrap();
    assert_eq!(whole.text(), text);
    for at in (0..text.len()).step_by(13) {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1 << (at % 7);
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        let read = Certificate::parse(&changed);
        assert!(read.is_err() || read.is_ok_and(|read| read != whole && read.text() == changed), "byte {at}");
    }
}

const OPEN: Scene = Scene { members: 3, mode: Mode::FullNoise, witnesses: 0, seed: 42 };
const WITNESSED: Scene = Scene { members: 5, mode: Mode::Secure, witnesses: 4, seed: 43 };
const BY_LOT: Scene = Scene { members: 24, mode: Mode::Secure, witnesses: 1, seed: 44 };

/// No check of this text passes as a whole; `codes` gives those that fail.
fn failing(text: &str) -> Vec<&'static str> {
    let checked = check(text.as_bytes()).unwrap();
    assert!(!checked.passed(), "passed:\n{text}");
    codes(text, Outcome::Fail)
}

#[test]
fn rounds_of_every_kind_have_certificates() {
    for (scene, warned) in [(OPEN, true), (WITNESSED, false), (BY_LOT, false)] {
        let text = Story::tell(scene, 1).certificate(0);
        let checked = check(text.as_bytes()).unwrap();
        assert!(checked.passed(), "{scene:?}: {:?}", checked.checks);
        assert_eq!(codes(&text, Outcome::Warn), if warned { vec!["C02"] } else { vec![] }, "{scene:?}");
    }
}

#[test]
fn no_cut_or_joined_text_passes() {
    let text = secure().certificate(0);
    for at in (0..text.len()).step_by(97) {
        assert!(!text.get(..at).is_some_and(|text| check(text.as_bytes()).is_ok_and(|c| c.passed())), "{at}");
    }
    assert_eq!(failing(&text[..text.len() - 1]), ["C01"]);
    for more in ["\n", " ", "--- summary 0\n", "--- extra 1\nx", &text[HEADER.len()..]] {
        assert_eq!(failing(&format!("{text}{more}")), ["C01"], "{more:.20}");
    }
    assert!(check(&text.as_bytes()[1..]).is_err() && check(b"").is_err() && check(&[0xff; 99]).is_err());
    let endless = format!("{HEADER}{}", "--- summary 0\n".repeat(3_000));
    assert_eq!(failing(&endless), ["C01"]);
    assert!(check(&vec![b'x'; 16 * 1024 * 1024 + 1]).is_err(), "too long to be read");
}

/// Every part left out, doubled, moved to the next place, or taken from another round of the same members.
#[test]
fn no_part_can_be_left_out_doubled_moved_or_exchanged() {
    let (one, other) = (Parts::of(&secure().certificate(0)), Parts::of(&secure().certificate(1)));
    for at in 0..one.0.len() {
        let (mut without, mut twice, mut moved) = (one.clone(), one.clone(), one.clone());
        without.0.remove(at);
        twice.0.insert(at, one.0[at].clone());
        failing(&without.text());
        failing(&twice.text());
        if at > 0 {
            moved.0.swap(at - 1, at);
            failing(&moved.text());
        }
        if one.0[at] != other.0[at] {
            let mut exchanged = one.clone();
            exchanged.0[at] = other.0[at].clone();
            failing(&exchanged.text());
            // An entry with its own proof.
            if one.0[at].0.starts_with("entry/") {
                exchanged.0[at + 1] = other.0[at + 1].clone();
                failing(&exchanged.text());
            }
        }
    }
}

/// One changed entry, everything that cites it written anew, and every log signed anew by its owner: what
/// all members together could do. Says what fails.
fn resigned(kind: &str, change: impl FnOnce(&mut Body)) -> Vec<&'static str> {
    let certificate = secure().certificate(0);
    let mut story = secure().clone();
    let (n, at) = story.find(0, kind);
    change(&mut story.logs[n][at].body);
    relink(&mut story);
    failing(&story.resigned(&certificate))
}

#[test]
fn each_rule_of_a_round_fails_its_own_check_though_all_sign() {
    let unchanged = {
        let mut story = secure().clone();
        relink(&mut story);
        story.resigned(&secure().certificate(0))
    };
    assert_eq!(unchanged, secure().certificate(0), "nothing changed, nothing differs");
    assert_eq!(
        resigned("release", |b| {
            let Body::Release { sums, .. } = b else { panic!() };
            sums[0] += 100;
        }),
        ["C09"]
    );
    assert_eq!(
        resigned("release", |b| {
            let Body::Release { figures, .. } = b else { panic!() };
            figures.0[0] ^= 1;
        }),
        ["C10"]
    );
    assert_eq!(
        resigned("open", |b| {
            let Body::Open { share, .. } = b else { panic!() };
            share[0] ^= 1;
        }),
        ["C09"]
    );
    assert_eq!(
        resigned("close", |b| {
            let Body::Close { accepted, .. } = b else { panic!() };
            accepted.pop();
        }),
        ["C08"]
    );
    assert_eq!(
        resigned("freeze", |b| {
            let Body::Freeze { vk_part, .. } = b else { panic!() };
            *vk_part = Some([7; 32]);
        }),
        ["C08"]
    );
    for (what, change) in [
        (
            "less than rho",
            (|debit| debit.loss = PrivacyLoss::from_nano(1)) as fn(&mut datacoop_policy::ledger::Debit),
        ),
        ("a sum that is not one", |debit| debit.after = PrivacyLoss::from_nano(1)),
        ("more than the year allows", |debit| {
            debit.before = PrivacyLoss::from_nano(999_999_999);
            debit.after = debit.before.plus(debit.loss);
        }),
    ] {
        let failed = resigned("debit", |b| {
            let Body::Debit { debit, .. } = b else { panic!() };
            change(debit);
        });
        assert!(failed.contains(&"C07") || failed == ["C08"], "{what}: {failed:?}");
    }
}

#[test]
fn a_verdict_or_query_that_was_not_lawful_fails() {
    // The seats follow from the Roster's hash, so these leave others without one.
    let failed = resigned("verdict", |b| {
        let Body::Accept { vk_hash, .. } = b else { panic!() };
        vk_hash.0[0] ^= 1;
    });
    assert!(!failed.is_empty());
    let certificate = secure().certificate(0);
    let late = |kind: &str, by: u64| {
        let mut story = secure().clone();
        let (n, at) = story.find(0, kind);
        story.logs[n][at].at = story.logs[n][at].at + datacoop_policy::Span(by);
        relink(&mut story);
        failing(&story.resigned(&certificate))
    };
    assert!(late("verdict", 60_000).contains(&"C06"), "after its deadline");
    assert_eq!(late("debit", 400 * 86_400_000), ["C07"], "after the charter's time");
}

/// Who releases a full-noise round has seen every vector: a sum without one of them is lawful, and told.
#[test]
fn a_sum_that_leaves_out_a_vector_is_warned_of() {
    let mut story = Story::tell(Scene { members: 4, ..OPEN }, 1);
    let (n, at) = story.find(0, "release");
    let (fold, _) = story.fold(&[]);
    let round = fold.round(&story.queries[0]).unwrap();
    let plan = round.plan().unwrap();
    let Body::Release { opens, sums, figures: told, .. } = &mut story.logs[n][at].body else { panic!() };
    opens.pop();
    let fewer = round.sums(plan, Some(opens)).unwrap();
    *told = figures_digest(&figures(plan, &fewer));
    sums.clone_from(&fewer.sums);
    let text = story.certificate(0);
    assert!(check(text.as_bytes()).unwrap().passed());
    assert_eq!(codes(&text, Outcome::Warn), ["C02", "C09"]);
    assert!(text.contains("4 members of 4 bodies, 3 of them in the sums"));
}

#[test]
fn what_the_summary_says_is_what_the_release_says() {
    let mut parts = Parts::of(&secure().certificate(0));
    let told = parts.get("summary").to_owned();
    for (from, to) in [
        ("rho 0.005000000", "rho 0.001000000"),
        ("likely range (95 %) ", "likely range (99 %) "),
        ("count: ", "count: 1"),
    ] {
        assert!(told.contains(from), "{from}");
        parts.set("summary", &told.replacen(from, to, 1));
        assert_eq!(failing(&parts.text()), ["C11"], "{from}");
    }
}

#[test]
fn entries_of_strangers_and_of_other_members_fail() {
    let certificate = secure().certificate(0);
    let mut parts = Parts::of(&certificate);
    let name =
        parts.0.iter().map(|(name, _)| name).find(|name| name.starts_with("entry/release/")).unwrap().clone();
    let mut entry = Entry::parse(parts.get(&name).trim_end().as_bytes()).unwrap();
    for by in ["DEMO-999", "DEMO-001"] {
        entry.by = by.parse::<MemberId>().unwrap();
        let part = parts.0.iter_mut().find(|(name, _)| name.starts_with("entry/release/")).unwrap();
        *part =
            (format!("entry/release/{by}"), format!("{}\n", String::from_utf8(entry.to_bytes()).unwrap()));
        let part = parts.0.iter_mut().find(|(name, _)| name.starts_with("proof/release/")).unwrap();
        part.0 = format!("proof/release/{by}");
        let failed = failing(&parts.text());
        assert!(failed.contains(&"C02"), "{by}: {failed:?}");
    }
    // The same members under another charter, and the other way round.
    let others = Story::tell(Scene { seed: 45, ..SECURE }, 1);
    let (mut parts, theirs) = (Parts::of(&certificate), Parts::of(&others.certificate(0)));
    parts.set("charter/1", theirs.get("charter/1"));
    assert!(failing(&parts.text()).contains(&"C02"));
}

#[test]
fn a_quorum_of_witnesses_is_needed_and_each_counts_once() {
    let story = Story::tell(WITNESSED, 1);
    assert!(matches!(story.certify(0, &[0, 3]), Err(NotCertified::Unwitnessed { valid: 2, needed: 3, .. })));
    let three = story.certify(0, &[0, 1, 3]).unwrap();
    assert_ne!(three, story.certificate(0), "three of four are enough");
    // One line of a log's head left out everywhere: one short.
    let key = |n: usize| story.keys(n).public().witness.name.clone();
    let edit = |change: &dyn Fn(&str) -> String| {
        let mut parts = Parts::of(&three);
        for (name, text) in &mut parts.0 {
            if name.starts_with("proof/") && name.ends_with("/DEMO-001") {
                *text = change(text);
            }
        }
        failing(&parts.text())
    };
    let line =
        |text: &str, n: usize| text.lines().find(|line| line.contains(&key(n))).unwrap().to_owned() + "\n";
    assert_eq!(edit(&|text| text.replace(&line(text, 2), "")), ["C02"], "one short");
    assert_eq!(edit(&|text| text.replace(&line(text, 2), &line(text, 1))), ["C02"], "one twice");
    assert_eq!(edit(&|text| format!("{text}{}", line(text, 1))), ["C02"], "one twice more");
    assert_eq!(
        edit(&|text| format!("{text}{}", line(text, 1).replace(&key(1), "x.example/witness/1"))),
        ["C02"]
    );
    let swapped = |text: &str| {
        text.replace(&line(text, 2), "").replace(&line(text, 1), &(line(text, 2) + &line(text, 1)))
    };
    assert_eq!(edit(&swapped), ["C02"], "in another order");
}

/// Neither a share nor a range proof is in it, in any writing: recorded shares age badly.
#[test]
fn no_sealed_share_and_no_verifier_share_is_in_it() {
    use std::fmt::Write as _;
    let (text, blobs) = (secure().certificate(0), &secure().blobs);
    assert!(blobs.len() > 20, "{} blobs were sent", blobs.len());
    for blob in blobs.iter().filter(|blob| blob.len() >= 64) {
        // From the middle, where nothing is the same for all.
        let middle = &blob[blob.len() / 2..][..24];
        let hex = middle.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        assert!(!text.contains(&hex));
        assert!(!text.as_bytes().windows(24).any(|window| window == middle));
        for skip in 0..3 {
            let base64 = base64(&middle[skip..skip + 18]);
            assert!(!text.contains(&base64), "{base64}");
        }
    }
}

/// Whole groups of three bytes.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = bytes.chunks_exact(3).flat_map(|group| {
        let all = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        [18, 12, 6, 0].map(|shift| char::from(DIGITS[(all >> shift & 63) as usize]))
    });
    groups.collect()
}

fn verify(args: &[&str]) -> (i32, Value, String) {
    let run = |json: &[&str]| Command::new(program()).arg("verify").args(json).args(args).output().unwrap();
    let (output, said) = (run(&["--json"]), run(&[]));
    assert_eq!(output.status, said.status);
    (output.status.code().unwrap(), json(&output), String::from_utf8(said.stdout).unwrap())
}

#[test]
fn the_program_reads_several_and_the_worst_code_wins() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (id, text) = (secure().fingerprint(), secure().certificate(0));
    let good = put("good.dcert", &text);
    let again = put("again.dcert", &secure().certificate(1));
    let cut = put("cut.dcert", &text[..text.len() / 2]);
    let none = put("none.dcert", "no certificate");
    for (named, code) in [(&id[..], 0), (&id[..16], 0), (&"0".repeat(16), 1)] {
        assert_eq!(verify(&[&good, &again, "--charter", named]).0, code, "{named}");
    }
    let (_, said, page) = verify(&[&good, "--charter", &"0".repeat(64)]);
    assert!(said["certificates"][0]["release"].is_null(), "a release of strangers is not shown");
    assert!(!page.contains("count") && page.contains("RESULT FAIL"), "{page}");
    let (code, said, page) = verify(&[&good, &cut, "--charter", &id]);
    assert_eq!((code, &said["result"]), (1, &Value::from("fail")));
    let results: Vec<&Value> =
        said["certificates"].as_array().unwrap().iter().map(|c| &c["result"]).collect();
    assert_eq!(results, ["pass", "fail"]);
    assert!(
        page.contains("FAIL C01") && page.contains("RESULT PASS") && page.contains("RESULT FAIL (1)"),
        "{page}"
    );
    assert_eq!(verify(&[&good, &cut, &none]).0, 2);
    assert!(page.contains("(epsilon 0.43)"), "{page}");
}

/// A member that signs one story for one reader and another for the next: two certificates show it.
#[test]
fn two_certificates_of_two_stories_are_an_equivocation() {
    let (one, mut story) = (secure().certificate(0), secure().clone());
    let last = story.logs[0].last_mut().unwrap();
    last.at = last.at + datacoop_policy::Span(1_000);
    let kind = story.logs[0].last().unwrap().body.kind();
    assert!(!one.contains(&format!("entry/{kind}/DEMO-001")) || story.queries.len() > 1, "not of this round");
    relink(&mut story);
    let other = story.resigned(&one);
    let dir = tempfile::tempdir().unwrap();
    let (a, b, evidence) =
        (dir.path().join("a.dcert"), dir.path().join("b.dcert"), dir.path().join("evidence"));
    std::fs::write(&a, one).unwrap();
    std::fs::write(&b, other).unwrap();
    let (a, b, proof) = (a.to_str().unwrap(), b.to_str().unwrap(), evidence.to_str().unwrap());
    assert_eq!((verify(&[a]).0, verify(&[b]).0), (0, 0), "each agrees with itself");
    let (code, said, page) = verify(&[a, b, "--evidence", proof]);
    assert_eq!((code, &said["result"]), (3, &Value::from("equivocation")), "{page}");
    assert!(page.contains("EQUIVOCATION m001.demo/datacoop/1"), "{page}");
    assert!(evidence.join("DEMO-001.split").exists());
}
