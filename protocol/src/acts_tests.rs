use super::*;
use crate::entry::{Body, Entry, EntryError};

fn at(index: u64) -> Ref {
    Ref { log: "a.example/datacoop/1".into(), index, leaf: Digest([7; 32]) }
}

fn every_act() -> Vec<Act> {
    let text = Digest([9; 32]);
    let findings = Findings { benefit: Grade::Good, harm: Grade::Doubtful, least_data: Grade::Bad, text };
    let named = ["GB-EDU-000002", "GB-CHC-000004"].map(|id| id.parse().unwrap());
    let proposal = |subject, replaces| Act::Proposal {
        reviewers: if matches!(subject, Subject::Purpose(_)) { named.to_vec() } else { vec![] },
        subject,
        draft: Digest([1; 32]),
        text,
        charter: Digest([2; 32]),
        replaces,
    };
    vec![
        proposal(Subject::Question("attendance-weekday".into()), None),
        proposal(Subject::Purpose("attendance-2026".into()), Some(at(3))),
        proposal(Subject::Charter("4".into()), None),
        Act::Cosign { proposal: at(1) },
        Act::Withdrawal { proposal: at(1) },
        Act::Objection { about: at(1), text },
        Act::Reply { objection: at(2), text },
        Act::Review { proposal: at(1), hash: Digest([4; 32]) },
        Act::Opened { proposal: at(1), salt: [4; 32], findings },
        Act::Report { purpose: "p".into(), releases: vec![at(5), at(6)], outcome: Outcome::Learnt, text },
        Act::Report { purpose: "p".into(), releases: vec![], outcome: Outcome::Nothing, text },
        Act::Handover { release: at(5), licence: text, to: Digest([3; 32]), receipt: None },
        Act::Handover { release: at(5), licence: text, to: Digest([3; 32]), receipt: Some(Digest([4; 32])) },
        Act::Restriction { target: Target::Member("GB-EDU-000002".parse().unwrap()) },
        Act::Restriction { target: Target::Purpose("p".into()) },
        Act::Restriction { target: Target::Dataset("pupils".into()) },
        Act::Delegation {
            audience: "GB-EDU-000002".parse().unwrap(),
            limits: Box::new(Limits { max_cells: 12, ..Limits::top() }),
            until: Time(9_000),
            charter: Digest([2; 32]),
        },
        Act::Revocation { delegation: at(4) },
    ]
}

fn written(act: Act) -> String {
    let by = "GB-EDU-000001".parse().unwrap();
    let entry = Entry { at: Time(5_000), by, seq: 7, body: Body::Act(act) };
    String::from_utf8(entry.to_bytes()).unwrap()
}

#[test]
fn every_act_reads_back_from_its_one_form() {
    for act in every_act() {
        let text = written(act.clone());
        let entry = Entry::parse(text.as_bytes()).unwrap();
        assert_eq!(entry.body, Body::Act(act.clone()), "{text}");
        assert_eq!(String::from_utf8(entry.to_bytes()).unwrap(), text);
        assert_eq!(entry.body.kind(), act.kind());
        assert_eq!(entry.body.query(), None);
        assert!(
            act.cites().into_iter().chain(act.about()).all(|cited| text.contains(&cited.leaf.to_string()))
        );
    }
}

/// Whatever field is left out or has another type, it is no entry; so no log smuggles a text.
#[test]
fn no_act_has_a_field_too_few_or_room_for_words() {
    for act in every_act() {
        let text = written(act);
        let entry: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
        let is_bad = |changed: &serde_json::Map<String, serde_json::Value>| {
            let bytes = serde_json::to_vec(changed).unwrap();
            matches!(Entry::parse(&bytes), Err(EntryError::Malformed(_)))
        };
        for name in
            entry.keys().filter(|name| !["v", "kind", "replaces", "hash", "receipt"].contains(&name.as_str()))
        {
            let mut without = entry.clone();
            without.remove(name);
            assert!(is_bad(&without), "{text} without {name}");
            let mut other = entry.clone();
            let words = if name == "at" || name == "seq" { "5" } else { "a few words of its own" };
            other.insert(name.clone(), words.into());
            assert!(is_bad(&other), "{text} with other {name}");
        }
        let mut more = entry.clone();
        more.insert("zzz".into(), 1.into());
        assert!(is_bad(&more), "{text} with more");
    }
    let long = written(Act::Restriction { target: Target::Purpose("x".repeat(ID_BYTES_MAX)) });
    assert!(Entry::parse(long.as_bytes()).is_ok());
    let longer = written(Act::Restriction { target: Target::Purpose("x".repeat(ID_BYTES_MAX + 1)) });
    assert!(Entry::parse(longer.as_bytes()).is_err());
}

#[test]
fn a_proposed_purpose_names_two_reviewers_and_nothing_else_does() {
    let [question, purpose, charter] = [0, 1, 2].map(|place| written(every_act().remove(place)));
    let two = "[\"GB-EDU-000002\",\"GB-CHC-000004\"]";
    assert!(purpose.contains(two) && !question.contains("reviewers") && !charter.contains("reviewers"));
    for other in
        ["[]", "[\"GB-EDU-000002\"]", "[\"GB-EDU-000002\",\"GB-EDU-000002\"]", "[1,2]", "[\"a b\",\"c\"]"]
    {
        assert!(Entry::parse(purpose.replace(two, other).as_bytes()).is_err(), "{other}");
    }
    for text in [question, charter] {
        let more = text.replace("\"seq\":", &format!("\"reviewers\":{two},\"seq\":"));
        assert!(more != text && Entry::parse(more.as_bytes()).is_err(), "{more}");
    }
}

#[test]
fn a_review_is_bound_by_all_that_it_says() {
    let right =
        Findings { benefit: Grade::Good, harm: Grade::Good, least_data: Grade::Good, text: Digest([1; 32]) };
    let others = [
        Findings { benefit: Grade::Bad, ..right.clone() },
        Findings { harm: Grade::Bad, ..right.clone() },
        Findings { least_data: Grade::Bad, ..right.clone() },
        Findings { text: Digest([2; 32]), ..right.clone() },
    ];
    let [by, other_by] = ["GB-EDU-000001", "GB-EDU-000002"].map(|id| id.parse().unwrap());
    let bound = findings_hash(&by, &at(1), &[0; 32], &right);
    assert!(others.iter().all(|other| findings_hash(&by, &at(1), &[0; 32], other) != bound));
    assert_ne!(findings_hash(&by, &at(1), &[1; 32], &right), bound);
    assert_ne!(findings_hash(&other_by, &at(1), &[0; 32], &right), bound, "another's is no copy of it");
    let elsewhere = Ref { leaf: Digest([8; 32]), ..at(1) };
    assert_ne!(findings_hash(&by, &elsewhere, &[0; 32], &right), bound, "nor of another proposal");
}

#[test]
fn a_text_stands_behind_its_salt() {
    let blob = text_blob(&[3; TEXT_SALT_BYTES], "why").unwrap();
    assert_eq!(blob_text(&blob), Some("why"));
    assert_ne!(text_blob(&[4; TEXT_SALT_BYTES], "why").unwrap(), blob);
    assert_eq!(blob_text(&blob[..TEXT_SALT_BYTES - 1]), None);
    assert_eq!(blob_text(&[&blob[..], &[0xff]].concat()), None);
    let longest = "x".repeat(TEXT_BYTES_MAX - TEXT_SALT_BYTES);
    assert!(text_blob(&[0; TEXT_SALT_BYTES], &longest).is_some_and(|blob| blob_text(&blob).is_some()));
    assert_eq!(text_blob(&[0; TEXT_SALT_BYTES], &(longest + "x")), None);
}

/// Whoever says the same of one entry ten thousand times costs its readers no more than whoever says it eight times,
/// and drowns nobody out.
#[test]
fn a_flood_about_one_entry_drowns_nobody() {
    let mut acts = Acts::default();
    let mut say = |by: &str, index: u64, act: Act| {
        let mut leaf = [0; 32];
        leaf[..8].copy_from_slice(&index.to_be_bytes());
        leaf[8..].iter_mut().zip(by.bytes()).for_each(|(to, from)| *to = from);
        let at = Ref { log: format!("{by}/datacoop/1").into(), index, leaf: Digest(leaf) };
        acts.add(Done { at, by: by.parse().unwrap(), time: Time(index), act });
    };
    let objection = |n: u64| Act::Objection { about: at(1), text: sha256(&[&n.to_be_bytes()]) };
    (0..10_000).for_each(|n| say("LOUD", n, objection(n)));
    say("LOUD", 10_000, Act::Withdrawal { proposal: at(1) });
    say("QUIET", 3, objection(3));
    let about = at(1);
    let said: Vec<(&str, u64, &str)> =
        acts.on(&about).map(|done| (done.by.as_str(), done.at.index, done.act.kind())).collect();
    assert!(said.len() <= 10, "{}", said.len());
    for kept in [("LOUD", 0, "objection"), ("LOUD", 10_000, "withdrawal"), ("QUIET", 3, "objection")] {
        assert!(said.contains(&kept), "{kept:?}");
    }
}
