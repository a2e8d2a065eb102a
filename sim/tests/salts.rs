//! What a log commits to and could be guessed is salted: equal contents have other hashes, and no bare hash of
//! them stands anywhere. Source: LOG section 2.
//!
//! Every field of an entry that is a hash, and what keeps it from being guessed:
//!
//! | field | of | why |
//! | --- | --- | --- |
//! | `close.commit` | the seat's aggregate share | **salted**, as `close` |
//! | `contribution.commit` (full noise) | the member's noised vector | **salted**, as `vector` |
//! | `verdict.nonce_hash`, `verdict.vk_hash` | 32 bytes of the system's randomness each | nothing to guess |
//! | `contribution.shares[].digest`, `.blob`; `verify.blob` | shares, sealed shares, verifier shares | each is as long as its data and uniformly random without the others |
//! | `release.figures`, licence, charter, question, vocabulary | what the same log shows in full | public |
//! | refs, roots, fingerprints | entries and charters | public |
//!
//! What would make it fail: a salt that is used twice, left out or the same for all; a field that is hashed bare.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;

use common::{LOSS, PERIOD, Story};
use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, MemberId, QueryId};
use datacoop_protocol::entry::Body;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::rounds::{Kind, commitment, vector_bytes};

const MEMBERS: usize = 5;

/// A commitment, and what it was opened with.
struct Opened {
    kind: &'static str,
    commit: Digest,
    salt: [u8; 32],
    value: Vec<u8>,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "it picks two entries out of many")]
fn opened(story: &Story, id: QueryId) -> Vec<Opened> {
    let round = story.world.member(0).unwrap().fold().round(&id).unwrap().clone();
    let said = |kind: Kind| {
        round.all(kind).map(|(by, logged)| (by.clone(), logged.body.clone())).collect::<Vec<_>>()
    };
    let commit = |by: &MemberId, kind| match round.said(kind, by).map(|logged| &logged.body) {
        Some(Body::Close { commit, .. } | Body::Commit { commit, .. }) => *commit,
        other => panic!("{other:?}"),
    };
    let opens = said(Kind::Open).into_iter().map(|(by, body)| match body {
        Body::Open { share, salt, .. } => {
            Opened { kind: "close", commit: commit(&by, Kind::Close), salt, value: share }
        }
        Body::Reveal { vector, salt, .. } => Opened {
            kind: "vector",
            commit: commit(&by, Kind::Contribution),
            salt,
            value: vector_bytes(&vector),
        },
        other => panic!("{other:?}"),
    });
    opens.collect()
}

#[test]
fn what_could_be_guessed_is_salted_and_no_two_salts_are_the_same() {
    let mut story = Story::new(MEMBERS, 77);
    story.meet();
    let mut all = vec![];
    for (mode, period) in [
        (Mode::Secure, PERIOD),
        (Mode::FullNoise, "2025-09-01..2025-12-18"),
        (Mode::Secure, "2025-09-01..2025-12-17"),
        (Mode::FullNoise, "2025-09-01..2025-12-16"),
    ] {
        let id = story.ask(1, story.query(mode, LOSS, 5, period)).unwrap();
        assert!(story.finish(id, MEMBERS) && story.released(id), "{mode:?}");
        all.extend(opened(&story, id));
    }
    for kind in ["close", "vector"] {
        assert!(all.iter().filter(|one| one.kind == kind).count() >= 4, "{kind}");
    }
    let logs: Vec<String> = story
        .world
        .member(0)
        .unwrap()
        .fold()
        .logs()
        .flat_map(|log| log.entries())
        .map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
        .collect();
    for one in &all {
        assert_eq!(one.commit, commitment(one.kind, &one.salt, &one.value));
        // Bare, with its kind alone, and with a salt of zeros: what somebody would try who has no salt.
        let tried = [
            sha256(&[&one.value]),
            sha256(&[format!("datacoop/{}/v1\n", one.kind).as_bytes(), &one.value]),
            commitment(one.kind, &[0; 32], &one.value),
        ];
        for hash in tried {
            assert!(!logs.iter().any(|entry| entry.contains(&hash.to_string())), "{}: {hash}", one.kind);
        }
    }
    // The same contents under the salts that were drawn: no two commitments are alike, of neither kind.
    let salts: BTreeSet<[u8; 32]> = all.iter().map(|one| one.salt).collect();
    assert_eq!(salts.len(), all.len(), "a salt was used twice");
    let value = &all[0].value;
    let equal: BTreeSet<Digest> =
        salts.iter().flat_map(|salt| ["close", "vector"].map(|kind| commitment(kind, salt, value))).collect();
    assert_eq!(equal.len(), 2 * salts.len());
}
