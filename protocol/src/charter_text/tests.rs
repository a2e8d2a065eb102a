use std::collections::BTreeSet;

use datacoop_policy::charter::{
    ASSET_LOCK_CLAUSE, AssetLock, Charter, CharterDraft, Dataset, Licence, Member, Publish, Purpose, Role,
    amend_min,
};
use datacoop_policy::limits::{Limits, Set};
use datacoop_policy::query::Assumptions;
use datacoop_policy::{Day, Digest, PrivacyLoss};

use ed25519_dalek::VerifyingKey;

use super::*;
use crate::keys::Keys;
use crate::log::note::{signature_line, split_note};
use crate::log::tree::sha256;

fn keys(n: u8) -> Keys {
    Keys::from_seed([n; 32], &format!("m{n}.example"), 1)
}

fn member(n: u8) -> Member {
    Member {
        id: format!("GB-EDU-{n}").parse().unwrap(),
        name: format!("School \"{n}\""),
        body: format!("Trust {n}"),
        roles: BTreeSet::from([Role::Voting, Role::Coordinator]),
        keys: keys(n).public().clone(),
        addresses: vec!["/ip4/127.0.0.1/tcp/1".into()],
        witnesses: vec![],
        people_min: 1,
        people_max: 100,
        sponsors: vec![],
        goes_on_from: None,
        notice: None,
        dormant: false,
    }
}

/// What `CERTIFICATE_BYTES_MAX` says of itself, and `SIGNATURES_MAX`.
#[test]
fn notes_fit_what_is_to_hold_them() {
    for (members, versions) in [(5, 1_000), (65, 100), (200, 35)] {
        let list = |ids: std::ops::Range<u8>| ids.map(|n| format!("\"GB-EDU-10{n:04}\"")).collect::<Vec<_>>();
        let watched = format!("witnesses = [{}]", list(0..7).join(", "));
        let text = text(members).replace("witnesses = []", &watched);
        let line =
            |n| signature_line(&text, &format!("school-{n:03}.example.sch.uk/charter/1"), keys(1).charter());
        let note = format!("{text}\n{}", (0..members).map(line).collect::<String>());
        assert!(
            note.len() * versions <= crate::certificate::CERTIFICATE_BYTES_MAX / 2,
            "{members}: {}",
            note.len()
        );
    }
    let text = text(3);
    let lines = |n: usize| format!("{text}\n{}", signature_line(&text, "a", keys(1).charter()).repeat(n));
    assert!(split_note(&lines(400)).is_ok(), "200 members, and 200 others before");
    assert!(split_note(&lines(401)).is_err());
}

fn text(n: u8) -> String {
    let today = Day::parse("2026-09-01").unwrap();
    charter_toml(&CharterDraft {
        id: Digest::default(),
        hash: Digest::default(),
        version: 1,
        prev: None,
        condemns: vec![],
        predecessor: None,
        name: "Hill and Vale".into(),
        made: today,
        effective: today,
        expires: Day(today.0 + 300),
        demo: false,
        amend: amend_min(u32::from(n)),
        restrict: 2,
        assumed: Assumptions::FLOOR,
        limits: Limits { min_roster: 5, questions: Set::Except(["x".to_owned()].into()), ..Limits::floor() },
        members: (1..=n).map(member).collect(),
        datasets: vec![Dataset {
            id: "pupils".into(),
            unit: "pupil".into(),
            vocabularies: vec![("attendance/1".into(), Digest([3; 32]))],
        }],
        purposes: vec![Purpose {
            id: "p".into(),
            title: "P".into(),
            plain: "Why".into(),
            affected: "Pupils; their \"families\".".into(),
            heard: "Two evenings.\nA council.".into(),
            not_for: vec!["ranking".into(), "sale".into()],
            funders: vec!["The \"Hill\" Trust".into()],
            publish: Publish::PublicAfter(90),
            licence: Licence::Public1,
            reviewers: vec!["GB-EDU-1".parse().unwrap(), "GB-EDU-2".parse().unwrap()],
            report_due: Day(today.0 + 90),
            report: None,
            limits: Limits {
                datasets: Set::only(["pupils"]),
                rho_purpose: PrivacyLoss::from_nano(7),
                ..Limits::top()
            },
            starts: today,
            expires: Day(today.0 + 100),
        }],
        asset_lock: AssetLock {
            clause: ASSET_LOCK_CLAUSE.into(),
            stricter: "Nor lent.\nNor given away.".into(),
            successor: "GB-CHC-1".parse().unwrap(),
        },
    })
}

#[test]
fn what_is_written_is_read_and_signed_by_all() {
    let text = text(5);
    let charter = parse_charter(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(charter_toml(charter.fields()), text);
    let mut note = text;
    for n in 1..=5 {
        assert!(n == 1 || open_signed_charter(&note).unwrap_err().0.contains("lacks signatures of"));
        note = sign_charter(&note, None, &keys(n)).unwrap();
        assert_eq!(sign_charter(&note, None, &keys(n)).unwrap(), note, "signing twice changes nothing");
    }
    assert_eq!(open_signed_charter(&note).unwrap().members().len(), 5);
}

#[test]
fn a_charter_signed_by_the_wrong_key_or_changed_is_refused() {
    let text = text(5);
    assert!(sign_charter(&text, None, &keys(9)).unwrap_err().0.contains("this node's keys"));
    let mut note = text.clone();
    for n in 1..=5 {
        note = sign_charter(&note, None, &keys(n)).unwrap();
    }
    let forged = signature_line(&text, "m1.example/charter/1", keys(2).charter());
    let genuine = signature_line(&text, "m1.example/charter/1", keys(1).charter());
    assert!(open_signed_charter(&note.replace(&genuine, &forged)).is_err());
    let stranger = signature_line(&text, "m9.example/charter/1", keys(9).charter());
    assert!(open_charter(&format!("{note}{stranger}")).unwrap_err().0.contains("no member's charter key"));
    for (from, to) in [("amend = 4", "amend = 5"), ("Hill", "Mill"), ("max_cells = 2000", "max_cells = 1999")]
    {
        assert!(open_signed_charter(&note.replacen(from, to, 1)).is_err(), "{to}");
    }
}

/// The next version of a charter, as a text.
fn amended(first: &Charter, change: impl FnOnce(&mut CharterDraft)) -> String {
    let mut draft = first.fields().clone();
    (draft.version, draft.prev) = (first.version() + 1, Some(first.hash()));
    change(&mut draft);
    charter_toml(&draft)
}

fn signed_by(text: &str, parent: &Charter, signers: &[u8]) -> String {
    let sign = |note: String, n: &u8| sign_charter(&note, Some(parent), &keys(*n)).unwrap();
    signers.iter().fold(text.to_owned(), sign)
}

#[test]
fn a_chain_holds_when_each_version_has_both_quorums() {
    let genesis = (1..=5).fold(text(5), |note, n| sign_charter(&note, None, &keys(n)).unwrap());
    let first = open_signed_charter(&genesis).unwrap();
    let second = amended(&first, |d| d.limits.max_cells = 100);
    let three = signed_by(&second, &first, &[1, 2, 3]);
    let lacks = open_chain(&[&genesis, &three]).unwrap_err().0;
    assert!(lacks.contains("3 of the 4 voting members") && lacks.contains("GB-EDU-4"), "{lacks}");
    let four = signed_by(&three, &first, &[4]);
    let chain = open_chain(&[&genesis, &four]).unwrap();
    assert_eq!((chain.len(), chain[1].version(), chain[1].id()), (2, 2, first.id()));
    assert_eq!(charter_toml(chain[1].fields()), second);
    // A third, in which one leaves and one joins: who leaves signs for the old side only.
    let third = amended(&chain[1], |d| {
        d.members[4] = member(6);
        d.members[4].sponsors = vec!["GB-EDU-1".parse().unwrap(), "GB-EDU-2".parse().unwrap()];
    });
    let note = signed_by(&third, &chain[1], &[1, 2, 3, 5]);
    assert!(open_chain(&[&genesis, &four, &note]).unwrap_err().0.contains("of the new version"));
    let note = signed_by(&note, &chain[1], &[6]);
    assert_eq!(open_chain(&[&genesis, &four, &note]).unwrap().len(), 3);
    // Not without the one between, nor in another order, nor from the middle.
    for notes in [vec![&genesis, &note], vec![&genesis, &note, &four], vec![&four], vec![&four, &note]] {
        assert!(open_chain(&notes).is_err());
    }
    assert!(open_chain::<&str>(&[]).is_err());
}

#[test]
fn an_amendment_is_signed_by_who_votes_and_by_nobody_else() {
    let genesis = (1..=5).fold(text(5), |note, n| sign_charter(&note, None, &keys(n)).unwrap());
    let first = open_signed_charter(&genesis).unwrap();
    let second = amended(&first, |d| d.limits.max_cells = 100);
    assert!(sign_charter(&second, Some(&first), &keys(9)).unwrap_err().0.contains("voting member"));
    // A signature of genesis is none of another text; a stranger's line is named.
    let lines = genesis.split_once("\n\n\u{2014}").unwrap().1;
    assert!(open_amendment(&format!("{second}\n\u{2014}{lines}"), &[&first]).is_err());
    let stranger = signature_line(&second, "m9.example/charter/1", keys(9).charter());
    let note = format!("{}{stranger}", signed_by(&second, &first, &[1, 2, 3, 4]));
    assert!(open_amendment(&note, &[&first]).unwrap_err().0.contains("no member's charter key"));
    // Twice the same signature is one.
    let once = signed_by(&second, &first, &[1, 2, 3, 3]);
    let line = signature_line(&second, "m3.example/charter/1", keys(3).charter());
    let twice = format!("{once}{line}");
    assert!(open_amendment(&twice, &[&first]).map_or(true, |opened| opened.signed.len() == 3));
}

#[test]
fn a_new_purpose_is_signed_by_its_reviewers_and_a_renewed_one_names_its_report() {
    let genesis = (1..=5).fold(text(5), |note, n| sign_charter(&note, None, &keys(n)).unwrap());
    let first = open_signed_charter(&genesis).unwrap();
    let second = amended(&first, |d| {
        let reviewers = vec!["GB-EDU-1".parse().unwrap(), "GB-EDU-5".parse().unwrap()];
        d.purposes.push(Purpose { id: "q".into(), reviewers, ..d.purposes[0].clone() });
    });
    // The quorum without one of the two is none.
    let four = signed_by(&second, &first, &[1, 2, 3, 4]);
    let lacks = open_chain(&[&genesis, &four]).unwrap_err().0;
    assert!(lacks.contains("of the 2 reviewers of its new purposes GB-EDU-5 did not sign"), "{lacks}");
    let five = signed_by(&four, &first, &[5]);
    assert_eq!(open_chain(&[&genesis, &five]).unwrap().len(), 2);
    assert_eq!(open_chain(&[&genesis, &signed_by(&second, &first, &[1, 2, 4, 5])]).unwrap().len(), 2);

    let longer = |parent: &Charter, report: Option<u8>| {
        let text = amended(parent, |d| {
            d.purposes[0].expires = Day(d.purposes[0].expires.0 + 1);
            d.purposes[0].report = report.map(|report| Digest([report; 32]));
        });
        signed_by(&text, parent, &[1, 2, 3, 4])
    };
    let unreported = amended(&first, |d| d.purposes[0].expires = Day(d.purposes[0].expires.0 + 1));
    let refused = open_chain(&[genesis.clone(), format!("{unreported}\n")]).unwrap_err().0;
    assert!(refused.contains("no report, no renewal"), "{refused}");
    let renewed = longer(&first, Some(1));
    let chain = open_chain(&[&genesis, &renewed]).unwrap();
    assert_eq!(chain[1].fields().purposes[0].report, Some(Digest([1; 32])));
    assert_eq!(charter_toml(chain[1].fields()), bare_text(&renewed));
    // Not by the same report again, also over a version that left the purpose out.
    let without = signed_by(&amended(&chain[1], |d| d.purposes.clear()), &chain[1], &[1, 2, 3, 4]);
    let gone = open_chain(&[&genesis, &renewed, &without]).unwrap().pop().unwrap();
    let back = |report| {
        let text = amended(&gone, |d| {
            d.purposes.clone_from(&chain[1].fields().purposes);
            d.purposes[0].expires = Day(d.purposes[0].expires.0 + 1);
            d.purposes[0].report = Some(Digest([report; 32]));
        });
        let note = signed_by(&text, &gone, &[1, 2, 3, 4]);
        open_chain(&[&genesis, &renewed, &without, &note]).map(|chain| chain.len()).map_err(|error| error.0)
    };
    assert!(back(1).unwrap_err().contains("renewed it before"));
    assert_eq!(back(2), Ok(4));
    for bad in ["1", "xyz", ""] {
        let short = charter_toml(chain[1].fields()).replace(&Digest([1; 32]).to_string(), bad);
        assert!(parse_charter(&short).unwrap_err().0.contains("id of a report"), "{bad}");
    }
}

#[test]
fn half_understood_rules_are_no_rules() {
    let text = text(5);
    for (from, to) in [
        ("[quorum]", "[quorum]\nveto = 1"),
        ("# datacoop/charter/v1", "# datacoop/charter/v2"),
        ("amend = 4", "amend = 4.0"),
        ("amend = 4", "\tamend = 4"),
        ("version = 1", "version = 2"),
        ("made = 2026-09-01", "made = 2026-09-01T00:00:00Z"),
        ("\"voting\"", "\"king\""),
        ("colluding_percent = 30", "colluding_percent = 0"),
        ("never sold", "sold"),
        ("below.\"\"\"", "below.\nUnless we say otherwise.\"\"\""),
        ("Trust 1", "\\u202eTrust 1"),
        ("Trust 1", "Trust\\u200b 1"),
        ("[quorum]", "# \u{200b}\n[quorum]"),
        ("[quorum]", "# \u{202e}\n[quorum]"),
        ("[quorum]", "# \u{1b}[2J\n[quorum]"),
        ("affected = ", "touched = "),
        ("affected = ", "price = 1\naffected = "),
        ("publish = \"public-after\"", "publish = \"everybody\""),
        ("publish = \"public-after\"", "publish = \"members\""),
        ("public_after_days = 90\n", ""),
        ("public_after_days = 90", "public_after_days = -1"),
        ("licence = \"dc-public-1\"", "licence = \"cc0\""),
        ("report_due = 2026-11-30", "report_due = \"soon\""),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(parse_charter(&text.replacen(from, to, 1)).is_err(), "{to}");
    }
}

#[test]
fn a_members_purpose_has_no_day_of_publication() {
    let text = text(5).replacen("public-after", "members", 1).replacen("dc-public-1", "dc-members-1", 1);
    assert!(parse_charter(&text).unwrap_err().0.contains("remove it"));
    let text = text.replacen("public_after_days = 90\n", "", 1);
    let charter = parse_charter(&text).unwrap();
    assert_eq!(charter.fields().purposes[0].publish, Publish::Members);
    assert_eq!(charter_toml(charter.fields()), text);
}

#[test]
fn a_licence_is_known_by_the_hash_of_its_text() {
    for licence in Licence::ALL {
        assert_eq!(sha256(&[licence.text().as_bytes()]).to_string(), licence.sha256());
    }
}

/// What SECURITY.md S27 lists of charters, and what joining and falling silent add: each is refused where every
/// chain is walked, and the rule is named. That an expired charter answers nothing, and that nobody goes by a
/// loosening too early, no text shows: `verdict` and A06 hold those.
#[test]
fn each_forged_charter_is_refused_by_the_rule_that_it_breaks() {
    let genesis = (1..=6).fold(text(6), |note, n| sign_charter(&note, None, &keys(n)).unwrap());
    let first = open_signed_charter(&genesis).unwrap();
    // By keys alone, whatever the text says: a forger's program checks nothing.
    let forge = |text: String, signers: &[u8]| {
        let line = |n: &u8| signature_line(&text, &format!("m{n}.example/charter/1"), keys(*n).charter());
        format!("{text}\n{}", signers.iter().map(line).collect::<String>())
    };
    let all = [1, 2, 3, 4, 5, 6];
    let next = |change: &dyn Fn(&mut CharterDraft)| amended(&first, change);
    let second = forge(next(&|d| drop(d.members.pop())), &[1, 2, 3, 4, 5]);
    let chain = open_chain(&[&genesis, &second]).unwrap();
    let third = |change: &dyn Fn(&mut CharterDraft)| amended(&chain[1], change);
    let swap = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let six_seats = |d: &mut CharterDraft| d.members.iter_mut().for_each(|m| m.body = "Hill Trust".into());
    let id = |n: u8| format!("GB-EDU-{n}").parse().unwrap();
    let joins = |sponsors: [u8; 2], body: &str| {
        next(&|d| {
            let sponsors = sponsors.map(id).to_vec();
            d.members.push(Member { sponsors, body: body.into(), ..member(7) });
            d.amend = amend_min(7);
        })
    };
    let made = first.fields().made;
    let dormant =
        |notice: Option<Day>| next(&|d| (d.members[5].notice, d.members[5].dormant) = (notice, true));
    let plain = next(&|d| d.limits.max_cells = 9);
    let forged = [
        ("quorum - 1", "C2", vec![genesis.clone(), forge(plain.clone(), &[1, 2, 3])]),
        ("a founder did not sign", "C2", vec![forge(text(6), &[1, 2, 3, 4, 5])]),
        ("one signs twice", "C2", vec![genesis.clone(), forge(plain.clone(), &[1, 2, 3, 3])]),
        ("one member twice", "C7", vec![genesis.clone(), forge(next(&|d| d.members.push(member(1))), &all)]),
        (
            "signed by who was removed",
            "C2",
            vec![genesis.clone(), second.clone(), forge(third(&|_| ()), &[1, 2, 3, 6])],
        ),
        ("a version skipped", "C1", vec![genesis.clone(), forge(third(&|_| ()), &all)]),
        ("rolled back", "C1", vec![genesis.clone(), second.clone(), forge(plain.clone(), &all)]),
        ("no beginning", "C1", vec![second.clone()]),
        (
            "the clause is missing",
            "F15",
            vec![genesis.clone(), forge(next(&|d| d.asset_lock.clause.clear()), &all)],
        ),
        (
            "one letter changed",
            "C2",
            vec![genesis.clone(), swap(&forge(plain.clone(), &all), "Hill", "Mill")],
        ),
        (
            "an unknown field",
            "C7",
            vec![genesis.clone(), forge(swap(&plain, "restrict = 2", "restrict = 2\nveto = 1"), &all)],
        ),
        ("amend below C3", "C3", vec![genesis.clone(), forge(next(&|d| d.amend = 3), &all)]),
        ("six seats for one trust", "C2", vec![genesis.clone(), forge(next(&six_seats), &all)]),
        (
            "of another co-operative",
            "C1",
            vec![genesis.clone(), forge(next(&|d| d.id = Digest([7; 32])), &all)],
        ),
        (
            "other keys",
            "C13",
            vec![genesis.clone(), forge(next(&|d| d.members[5].keys = keys(9).public().clone()), &all)],
        ),
        (
            "no sponsors",
            "C13",
            vec![
                genesis.clone(),
                forge(swap(&joins([1, 2], "Trust 7"), "sponsors = [\"GB-EDU-1\", \"GB-EDU-2\"]\n", ""), &all),
            ],
        ),
        (
            "a sponsor that did not sign",
            "C13",
            vec![genesis.clone(), forge(joins([1, 2], "Trust 7"), &[1, 3, 4, 5, 6])],
        ),
        ("a sponsor of its own body", "C2", vec![genesis.clone(), forge(joins([1, 2], "Trust 2"), &all)]),
        ("a sponsor that is no member", "C13", vec![genesis.clone(), forge(joins([1, 8], "Trust 7"), &all)]),
        ("one sponsor twice", "C13", vec![genesis.clone(), forge(joins([1, 1], "Trust 7"), &all)]),
        (
            "sponsors that change",
            "C13",
            vec![genesis.clone(), forge(next(&|d| d.members[2].sponsors = vec![id(1), id(2)]), &all)],
        ),
        ("a body by another spelling", "C7", vec![genesis.clone(), forge(joins([1, 2], "trust  2"), &all)]),
        ("dormant without notice", "C14", vec![genesis.clone(), forge(dormant(None), &all)]),
        (
            "dormant by a notice nobody gave",
            "C14",
            vec![genesis.clone(), forge(dormant(Some(Day(made.0 - 60))), &all)],
        ),
        (
            "notice from a day before",
            "C14",
            vec![genesis.clone(), forge(next(&|d| d.members[5].notice = Some(Day(made.0 - 1))), &all)],
        ),
    ];
    for (what, rule, notes) in forged {
        let refused = open_chain(&notes).expect_err(what).0;
        assert!(refused.ends_with(&format!("(rule {rule})")), "{what}: {refused}");
    }
}

/// C13 wherever a chain is walked: a certificate, an audit and a node all open it so.
#[test]
fn whoever_joins_comes_in_by_the_signatures_of_both_its_sponsors() {
    let genesis = (1..=6).fold(text(6), |note, n| sign_charter(&note, None, &keys(n)).unwrap());
    let first = open_signed_charter(&genesis).unwrap();
    let joins = |sponsors: &[u8]| {
        amended(&first, |d| {
            d.members.push(member(7));
            d.members[6].sponsors = sponsors.iter().map(|n| format!("GB-EDU-{n}").parse().unwrap()).collect();
            d.amend = amend_min(7);
        })
    };
    let walk = |note: &str| open_chain(&[genesis.as_str(), note]);
    let text = joins(&[1, 6]);
    assert!(text.contains("sponsors = [\"GB-EDU-1\", \"GB-EDU-6\"]\n"), "{text}");
    let without = signed_by(&text, &first, &[1, 2, 3, 4, 5]);
    let refused = walk(&without).unwrap_err().0;
    assert_eq!(refused, "version 2: GB-EDU-7 joins, and GB-EDU-6 did not sign as its sponsor (rule C13)");
    let chain = walk(&signed_by(&without, &first, &[6])).unwrap();
    assert_eq!(charter_toml(chain[1].fields()), text);
    // Neither does another's signature under the sponsor's name count, nor a sponsor named after signing.
    let forged = signature_line(&text, "m6.example/charter/1", keys(5).charter());
    assert!(walk(&format!("{without}{forged}")).is_err());
    let renamed = signed_by(&text, &first, &[1, 2, 3, 4, 6]).replace("\"GB-EDU-6\"]", "\"GB-EDU-2\"]");
    assert!(walk(&renamed).is_err());
    for (sponsors, said) in
        [(&[][..], "joins; write `sponsors`"), (&[1], "2 different"), (&[1, 7], "no vote")]
    {
        let note =
            format!("{}\n{}", joins(sponsors), signature_line("", "m1.example/charter/1", keys(1).charter()));
        let refused = walk(&note).unwrap_err().0;
        assert!(refused.contains(said) && refused.ends_with("(rule C13)"), "{refused}");
    }
}

#[test]
fn a_card_says_who_a_member_is_and_no_more() {
    let sponsored =
        Member { sponsors: vec!["GB-EDU-2".parse().unwrap(), "GB-EDU-3".parse().unwrap()], ..member(1) };
    let told = Member { notice: Day::parse("2026-09-01"), ..member(1) };
    for says_more in [sponsored, told, Member { dormant: true, ..member(1) }] {
        let refused = open_card(&write_card(&says_more, &keys(1))).unwrap_err().0;
        assert!(refused.contains("rule C13"), "{refused}");
    }
    let hidden = Member { name: "School\u{202e}1".into(), ..member(1) };
    let card = write_card(&hidden, &keys(1));
    assert!(open_card(&card).is_err(), "{card}");
    // Its words are of who it is and its keys, and of nothing that may change.
    let words = |member: &Member| crate::words::words(&member_fingerprint(member));
    let moved = Member { addresses: vec![], people_max: 7, roles: BTreeSet::new(), ..member(1) };
    assert_eq!(words(&moved), words(&member(1)));
    let others = [
        Member { id: "GB-EDU-2".parse().unwrap(), ..member(1) },
        Member { name: "School".into(), ..member(1) },
        Member { body: "Trust".into(), ..member(1) },
        Member { keys: keys(2).public().clone(), ..member(1) },
    ];
    for other in others {
        assert_ne!(words(&other), words(&member(1)));
    }
}

#[test]
fn a_card_is_signed_by_the_key_it_names() {
    let card = write_card(&member(1), &keys(1));
    assert_eq!(open_card(&card), Ok(member(1)));
    assert!(open_card(&card.replace("School", "Skool")).is_err());
    assert!(open_card(&write_card(&member(1), &keys(2))).is_err());
    assert!(open_charter(&card).is_err());
}

#[test]
fn a_peer_id_is_libp2ps_own() {
    let key = keys(7).public().peer;
    let text = peer_text(&key);
    assert!(text.starts_with("12D3Koo"), "{text}");
    assert_eq!(parse_peer(&text), Some(key));
    let mut weak = [0; 32];
    weak[0] = 1;
    let no_point = (0..=255).map(|n| [n; 32]).find(|key| VerifyingKey::from_bytes(key).is_err()).unwrap();
    assert_eq!((parse_peer(&peer_text(&weak)), parse_peer(&peer_text(&no_point))), (None, None));
    assert_eq!(parse_peer("12D3Koo"), None);
}

#[test]
fn a_members_own_limits_are_read_strictly() {
    let limits = parse_limits("purposes = [\"p\"]\nrho_query = 5\nquestions = { except = [\"q\"] }").unwrap();
    assert!(limits.purposes.holds("p") && !limits.purposes.holds("x") && !limits.questions.holds("q"));
    assert!(parse_limits("purpose = [\"p\"]").is_err());
    assert!(parse_limits("rho_query = -1").is_err());
}

/// C15: what the founders sign says whom they follow, and which logs go on.
#[test]
fn a_founding_text_with_a_predecessor_is_written_read_and_signed() {
    let before = member(4).keys.log;
    let draft = |change: &dyn Fn(&mut CharterDraft)| {
        let mut draft = parse_charter(&text(3)).unwrap().fields().clone();
        draft.predecessor = Some(Digest([200; 32]));
        draft.members[1].goes_on_from = Some(before.clone());
        change(&mut draft);
        charter_toml(&draft)
    };
    let text = draft(&|_| ());
    assert!(text.contains(&format!("\npredecessor = \"{}\"\n", Digest([200; 32]))), "{text}");
    assert!(text.contains("\ngoes_on_from = \"m4.example/datacoop/1+"), "{text}");
    let note = (1..=3).fold(text.clone(), |note, n| sign_charter(&note, None, &keys(n)).unwrap());
    let opened = open_signed_charter(&note).unwrap();
    assert_eq!(opened.fields().predecessor, Some(Digest([200; 32])));
    assert_eq!(opened.member(&"GB-EDU-2".parse().unwrap()).unwrap().goes_on_from, Some(before.clone()));
    assert_eq!(charter_toml(opened.fields()), text);
    // Neither is a member's to change after the others signed.
    let moved = note.replace(&Digest([200; 32]).to_string(), &Digest([201; 32]).to_string());
    assert!(open_signed_charter(&moved).unwrap_err().0.contains("rule C2"));
    let said = |text: &str| parse_charter(text).unwrap_err().0;
    assert!(said(&text.replace("predecessor = \"c8", "predecessor = \"x8")).contains("rule C15"));
    assert!(said(&draft(&|d| d.predecessor = None)).contains("(rule C15)"));
    assert!(said(&text.replace("goes_on_from = \"m4", "goes_on_from = \"m5")).contains("GB-EDU-2"));
    // A card says it too: it is its member's own word.
    let brings = Member { goes_on_from: Some(before), ..member(1) };
    assert_eq!(open_card(&write_card(&brings, &keys(1))), Ok(brings));
}
