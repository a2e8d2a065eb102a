//! What a member may answer to what is asked of it, while it does the rest as it should.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use datacoop_protocol::bounds::{BLOB_BYTES_MAX, FRAME_BYTES_MAX, SECTIONS_MAX};
use datacoop_protocol::wire::{Bytes, Head, Reply, Request, decode, encode};
use datacoop_sim::world::Way;
use datacoop_tests::cheat::{Game, LOSS, Verdict};

/// What a liar makes of each of its replies.
type Lie = fn(Reply) -> Vec<u8>;

/// How often a liar lied, by what it was asked for.
type Lies = Rc<RefCell<BTreeMap<&'static str, usize>>>;

/// A frame's kind, and a number of things that it says will follow.
fn claim(kind: u8, items: u64) -> Vec<u8> {
    [&[kind, 0, 0, 0][..], &items.to_le_bytes()].concat()
}

fn kind(reply: &Reply) -> &'static str {
    match reply {
        Reply::Sections { .. } => "pull",
        Reply::Took { .. } => "push",
        Reply::Stored { .. } => "put",
        Reply::Piece { .. } => "get",
        Reply::Absent => "absent",
        Reply::Incompatible => "incompatible",
    }
}

/// Frames that are none, whatever was asked.
const NO_FRAMES: [(&str, Lie); 11] = [
    ("nothing", |_| vec![]),
    ("garbage", |_| vec![0xa5; 4_096]),
    ("half of it", |reply| {
        let bytes = encode(&reply);
        bytes[..bytes.len() / 2].to_vec()
    }),
    ("a byte more", |reply| [encode(&reply), vec![0]].concat()),
    ("longer than a frame", |_| vec![0; FRAME_BYTES_MAX + 1]),
    ("a kind of no reply", |_| claim(9, 0)),
    ("2^63 sections", |_| claim(0, 1 << 63)),
    ("2^63 heads", |_| claim(1, 1 << 63)),
    ("2^63 answers about pieces", |_| claim(2, 1 << 63)),
    ("a piece of 2^63 bytes", |_| [claim(3, 1), (1_u64 << 63).to_le_bytes().to_vec()].concat()),
    ("a request", |_| encode(&Request::Pull { have: vec![], heard: vec![] })),
];

/// Changes a reply to a pull; the others stay.
fn sections(mut reply: Reply, vary: impl Fn(&mut datacoop_protocol::wire::Section)) -> Vec<u8> {
    if let Reply::Sections { sections, .. } = &mut reply {
        sections.iter_mut().for_each(vary);
    }
    encode(&reply)
}

fn flip_last(bytes: &mut [u8]) {
    if let Some(byte) = bytes.last_mut() {
        *byte ^= 1;
    }
}

/// Replies that can be read and say what is not so.
const FALSE_FRAMES: [(&str, Lie); 13] = [
    ("to another request", |reply| {
        encode(&match reply {
            Reply::Sections { .. } => Reply::Took { sizes: vec![] },
            Reply::Took { .. } => Reply::Stored { held: vec![Some(1)] },
            Reply::Stored { .. } => Reply::Piece { total: 1, bytes: Bytes(vec![1]) },
            Reply::Piece { .. } | Reply::Absent | Reply::Incompatible => {
                Reply::Sections { sections: vec![], cosigned: vec![], more: true }
            }
        })
    }),
    ("no sections, and more of them", |_| {
        encode(&Reply::Sections { sections: vec![], cosigned: vec![], more: true })
    }),
    ("not understood", |_| encode(&Reply::Incompatible)),
    ("absent", |_| encode(&Reply::Absent)),
    ("a head that nobody signed", |reply| sections(reply, |section| section.note = "no note".into())),
    ("a changed signature", |reply| {
        sections(reply, |section| section.note = section.note.replacen('A', "B", 1))
    }),
    ("a changed entry", |reply| {
        sections(reply, |section| section.entries.iter_mut().for_each(|entry| flip_last(&mut entry.0)))
    }),
    ("entries from beyond the end", |reply| sections(reply, |section| section.from = u64::MAX)),
    ("entries from earlier on", |reply| sections(reply, |section| section.from /= 2)),
    ("a proof of nothing", |reply| sections(reply, |section| section.proof = vec![[7; 32]; 64])),
    ("logs of nobody", |reply| sections(reply, |section| section.log = [9; 32])),
    ("that it holds all there will ever be", |mut reply| {
        match &mut reply {
            Reply::Took { sizes } => {
                sizes.iter_mut().for_each(|head| head.size = u64::MAX);
                let head = Head { log: [9; 32], size: u64::MAX, root: [9; 32] };
                sizes.extend(vec![head; 2 * SECTIONS_MAX]);
            }
            Reply::Stored { held } => held.iter_mut().for_each(|held| *held = Some(u64::MAX)),
            Reply::Sections { .. } | Reply::Piece { .. } | Reply::Absent | Reply::Incompatible => {}
        }
        encode(&reply)
    }),
    ("about other pieces than were sent", |mut reply| {
        if let Reply::Stored { held } = &mut reply {
            held.extend([None, Some(0), Some(u64::MAX)]);
        }
        encode(&reply)
    }),
];

/// A round with a liar in it; what came of it, and what the liar lied about.
fn play(
    members: usize,
    seed: u8,
    liar: usize,
    lie: Lie,
    about: &'static [&str],
    keeps_blobs: bool,
) -> (Game, Lies) {
    let lies = Lies::default();
    let told = lies.clone();
    let tell = move |way, bytes: Vec<u8>| match way {
        Way::Request => {
            let puts = matches!(decode(&bytes), Ok(Request::BlobPut { .. }));
            (!puts || !keeps_blobs).then_some(bytes)
        }
        Way::Reply => {
            let reply: Reply = decode(&bytes).expect("what a program writes can be read");
            if !about.contains(&kind(&reply)) {
                return Some(bytes);
            }
            *told.borrow_mut().entry(kind(&reply)).or_default() += 1;
            Some(lie(reply))
        }
    };
    let mut game = Game::with_liar(members, seed, liar, Box::new(tell));
    game.play();
    (game, lies)
}

/// One of five, a meeting point or not, answers every pull and push falsely, or every put. The round is
/// answered, with what the liar gave to it as well.
fn check(rows: &[(&str, Lie)]) {
    let fine = Verdict { ending: "released".into(), blamed: vec![], alerts: vec![] };
    let honest: Lie = |reply| encode(&reply);
    // Who holds a seat, and so is sent shares, follows from the Roster, which stands before the first put.
    let is_put_to = |liar, seed: &u8| !play(5, *seed, liar, honest, &["put"], false).1.borrow().is_empty();
    let seeds = [0, 3].map(|liar| (liar, (51..70).find(|seed| is_put_to(liar, seed)).expect("a seed")));
    for ((name, lie), (liar, seed)) in rows.iter().zip(seeds.into_iter().cycle()) {
        let abouts: [&[&str]; 2] = [&["pull", "push"], &["put"]];
        for about in abouts {
            let (game, lies) = play(5, seed, liar, *lie, about, false);
            let what = format!("{name} by {liar} to {about:?}");
            assert!(
                about.iter().all(|asked| lies.borrow().contains_key(asked)),
                "{what}: it was never asked"
            );
            assert_eq!(game.verdict(), fine, "{what}");
            assert_eq!(game.round().released().unwrap().1.accepted.len(), 5, "{what}");
            for site in game.honest() {
                assert_eq!(game.spent(site), LOSS, "{what}: site {site}");
                assert!(game.holds_what_others_hold(site), "{what}: site {site} lacks entries");
            }
        }
    }
}

#[test]
fn answers_that_are_no_frames_change_nothing() {
    check(&NO_FRAMES);
}

#[test]
fn answers_that_are_not_so_change_nothing() {
    check(&FALSE_FRAMES);
}

/// Changes a piece of a blob; other replies stay.
fn piece(mut reply: Reply, vary: impl Fn(&mut u64, &mut Vec<u8>)) -> Vec<u8> {
    if let Reply::Piece { total, bytes } = &mut reply {
        vary(total, &mut bytes.0);
    }
    encode(&reply)
}

/// Pieces of a blob as they should not be.
const PIECES: [(&str, Lie); 10] = [
    ("absent", |_| encode(&Reply::Absent)),
    ("of changed bytes", |reply| piece(reply, |_, bytes| flip_last(bytes))),
    ("from elsewhere in it", |reply| piece(reply, |_, bytes| bytes.rotate_left(1))),
    ("short by a byte", |reply| {
        piece(reply, |_, bytes| {
            bytes.pop();
        })
    }),
    ("longer than the blob", |reply| piece(reply, |_, bytes| bytes.push(0))),
    ("empty", |reply| piece(reply, |_, bytes| bytes.clear())),
    ("of a blob of no bytes", |reply| piece(reply, |total, _| *total = 0)),
    ("of a blob longer than a blob may be", |reply| {
        piece(reply, |total, _| *total = BLOB_BYTES_MAX as u64 + 1)
    }),
    ("of a blob of 2^64 bytes", |reply| piece(reply, |total, _| *total = u64::MAX)),
    ("of another length of blob each time", |reply| {
        piece(reply, |total, bytes| {
            *total += 1;
            bytes.truncate(1);
        })
    }),
];

/// A contributor that sends no share to anybody, and to whoever comes for it gives something else: it is
/// left out, as one who did not contribute, and the rest is answered.
#[test]
fn a_share_that_is_given_out_in_false_pieces_is_left_out() {
    let honest: Lie = |reply| encode(&reply);
    // A meeting point: every seat can come to it. Who holds a seat follows from the Roster, which stands
    // before the first piece is asked for: in one co-operative the liar holds none, whatever it says.
    let seated =
        |game: &Game| game.round().plan().is_none_or(|plan| plan.seat(&game.world_member(0)).is_some());
    let playing = |seed, lie| play(12, seed, 0, lie, &["get"], true);
    let seed = (52..60).find(|seed| !seated(&playing(*seed, honest).0)).expect("a co-operative");
    let rows = PIECES.iter().map(|(name, lie)| (*name, *lie, 11)).chain([("whole", honest, 12)]);
    for (name, lie, accepted) in rows {
        let (game, lies) = playing(seed, lie);
        let verdict = game.verdict();
        assert!(!seated(&game) && lies.borrow().contains_key("get"), "{name}: nobody came for a share");
        assert_eq!((verdict.ending.as_str(), verdict.blamed.len()), ("released", 0), "{name}: {verdict:?}");
        assert_eq!(game.round().released().unwrap().1.accepted.len(), accepted, "{name}");
        assert!(game.honest().into_iter().all(|site| game.spent(site) == LOSS), "{name}");
    }
}
