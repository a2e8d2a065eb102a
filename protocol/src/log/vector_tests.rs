//! Notes, checkpoints, cosignatures and proofs that others have published, and what they publish as malformed.
//!
//! The texts are data of these sources:
//! - Go's `golang.org/x/mod/sumdb/note`, `note_test.go`: copyright 2019 The Go Authors, BSD-3-Clause;
//! - a Sigsum log, as `tillitis/tkey-verification` quotes it: copyright Tillitis AB, BSD-2-Clause;
//! - `filippo.io/torchwood`, tests of `litewitness`; the head of sum.golang.org at size 13,485, a public record;
//! - C2SP's `tlog-cosignature`: CC BY 4.0;
//! - `transparency-dev/formats`, `tlog_proof_test.go` and `checkpoint_test.go`: copyright Google LLC, Apache-2.0.
//!
//! Where we are stricter than they are (LOG section 1), the test says so.
//! What would make it fail: another key id, other signed bytes, another order of a line's parts, a form taken
//! that they refuse.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datacoop_policy::Digest;
use datacoop_policy::charter::NamedKey;
use ed25519_dalek::SigningKey;

use super::cosignature::{Cosignature, WitnessPolicy, cosignatures};
use super::note::{
    Checkpoint, KIND_COSIGNATURE, KIND_ED25519, open_checkpoint, open_note, parse_vkey, sign_note,
    split_note, vkey,
};
use super::proof::TlogProof;
use super::tree::sha256;

const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
/// Type and seed of that key.
const PETER_SEED: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
const BY_PETER: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const BY_ENOCH: &str = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

fn key(text: &str) -> NamedKey {
    parse_vkey(text, KIND_ED25519).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(digit).collect()
}

fn key_of(text: &str) -> [u8; 32] {
    hex(text).try_into().expect("32 bytes")
}

#[test]
fn gos_note_is_signed_byte_for_byte_and_opens() {
    let seed: [u8; 32] = STANDARD.decode(PETER_SEED).unwrap()[1..].try_into().unwrap();
    let note = format!("{TEXT}\n{BY_PETER}");
    assert_eq!(sign_note(TEXT, "PeterNeumann", &SigningKey::from_bytes(&seed)), note);
    let both = format!("{note}{BY_ENOCH}");
    let (peter, enoch) = (key(PETER), key(ENOCH));
    assert_eq!(open_note(&both, std::slice::from_ref(&peter)), Ok((TEXT, vec![0])), "one known, one not");
    assert_eq!(open_note(&both, &[enoch.clone(), peter.clone()]), Ok((TEXT, vec![0, 1])));
    assert!(open_note(&both, &[]).is_err(), "none known");
    // A known key's line twice is one signature; a broken one of an unknown key is nobody's business.
    let broken = format!("{}ABCD{}", &BY_ENOCH[..60], &BY_ENOCH[60..]);
    let repeated = format!("{TEXT}\n{BY_PETER}{BY_PETER}{BY_ENOCH}{BY_ENOCH}{broken}");
    assert_eq!(open_note(&repeated, std::slice::from_ref(&peter)), Ok((TEXT, vec![0])));
    assert!(open_note(&repeated, &[peter.clone(), enoch]).is_err(), "and of a known one it spoils the note");
    let named = BY_PETER.replace("PeterNeumann", "CarmenSandiego");
    let numbered = BY_PETER.replace("x08g", "xxxx");
    for other in [named, numbered] {
        assert!(open_note(&format!("{TEXT}\n{other}"), std::slice::from_ref(&peter)).is_err(), "{other}");
    }
}

#[test]
fn what_go_refuses_as_malformed_is_refused() {
    let peter = [key(PETER)];
    for bad in [
        TEXT.to_owned(),
        format!("{TEXT}\n"),
        format!("{TEXT}\n{}", BY_PETER.trim_end()),
        format!("\u{1}{TEXT}\n{BY_PETER}"),
        format!("{TEXT}\n{}", BY_PETER.replace("PeterNeumann", "Bad Name")),
        format!("{TEXT}\n{BY_PETER}Unexpected line.\n"),
        format!("{TEXT}\n{}ABCD{}", &BY_PETER[..60], &BY_PETER[60..]),
    ] {
        assert!(open_note(&bad, &peter).is_err(), "{bad}");
    }
    // Every part of a verifier key, and the key with any byte one higher.
    for (from, to) in (0..PETER.len()).flat_map(|from| (from + 1..=PETER.len()).map(move |to| (from, to))) {
        let whole = (from, to) == (0, PETER.len());
        assert_eq!(parse_vkey(&PETER[from..to], KIND_ED25519).is_ok(), whole, "{}", &PETER[from..to]);
    }
    for at in 0..PETER.len() {
        let mut bytes = PETER.as_bytes().to_vec();
        bytes[at] += 1;
        let changed = String::from_utf8(bytes).unwrap();
        assert!(parse_vkey(&changed, KIND_ED25519).is_err(), "{changed}");
    }
    for bad in [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ] {
        assert!(parse_vkey(bad, KIND_ED25519).is_err(), "{bad}");
    }
}

/// The log's key signed it under a name that is not its origin: a good note, and none of our checkpoints.
#[test]
fn the_head_of_gos_checksum_database_is_a_note_and_its_name_is_not_its_origin() {
    let known = key("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8");
    let text = "go.sum database tree\n13485\n/ZWur4obeiqK+ASdnPK+/Rmz6LPQMUeSmHh0+UkL54Y=\n";
    let line = "— sum.golang.org Az3grnQReYTvpCrRxT+w50vixbqBlB/aPS8bL8f8KW4HHP+UjLSXOJgCh4f54n8hO6lrESglzyRXMXnhaWzaeY3zqw8=\n";
    let note = format!("{text}\n{line}");
    assert_eq!(open_note(&note, std::slice::from_ref(&known)), Ok((text, vec![0])));
    let head = Checkpoint::parse(text).unwrap();
    assert_eq!((head.origin.as_str(), head.size), ("go.sum database tree", 13_485));
    assert!(
        open_checkpoint(&note, &known.name, &known.key).is_err(),
        "stricter: its origin is its key's name"
    );
}

#[test]
fn a_head_that_a_log_sent_to_litewitness_opens() {
    let public = key_of("52c05edad1bf5feffa81354faae59a655d9a9a1a793ed2f62c39c26c0be2aecd");
    let origin = format!("sigsum.org/v1/tree/{}", sha256(&[&public]));
    let note = format!(
        "{origin}\n1\nKgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\
         — {origin} 7BKT0gOfNZ1J0So9unY3BZtm2YkPIoNYM/dce0Z2avJDs8dxN6ts9bOSwwrVrbjm6P9K3ZxpK6jJngOG6YvGGzV/lwo=\n"
    );
    let head = open_checkpoint(&note, &origin, &public).unwrap();
    assert_eq!((head.size, head.root.0[0], &head.root.0[1..]), (1, 0x2a, &[0; 31][..]));
    assert!(open_checkpoint(&note.replacen("\n1\n", "\n2\n", 1), &origin, &public).is_err());
}

/// A head of a public Sigsum log, with the cosignatures of two witnesses that anybody may ask.
#[test]
fn a_public_logs_head_and_its_witnesses_cosignatures_hold() {
    let log = key_of("4644af2abd40f4895a003bca350f9d5912ab301a49c77f13e5b6d905c20a5fe6");
    let origin = format!("sigsum.org/v1/tree/{}", sha256(&[&log]));
    let root = hex("be8491d96283e89afb0014b82be85ba70cccb9e672fdbf595f701fb456e46cd0");
    let head = Checkpoint { origin: origin.clone(), size: 4186, root: Digest(root.try_into().unwrap()) };
    let by_log = "880584e76411f6ac7d2d7f85166b320cd08d6a775cf9b78969ff185dc2b6410c\
                  34e4ac2d3aa78d64285ab2a3259177b787da0d5326b71d034c6a7471a9dc5e0d";
    let known = vkey(&NamedKey { name: origin.clone(), key: log }, KIND_ED25519);
    let id = hex(known.strip_prefix(&origin).unwrap().get(1..9).unwrap());
    let line = STANDARD.encode([id, hex(by_log)].concat());
    let mut note = format!("{}\n— {origin} {line}\n", head.text());
    assert_eq!(open_checkpoint(&note, &origin, &log), Ok(head.clone()));
    let by_witnesses = [
        (
            "rgdd.se/poc-witness",
            "28c92a5a3a054d317c86fc2eeb6a7ab2054d6217100d0be67ded5b74323c5806",
            "8f4507b9e9076ebab7f9234108de5e3b0bc1836a4933c0ac69ad338461537c8d\
             6a0fcf93d2b7dc2416fbcd73c6b19dd3d2a311313920d7191a2ee7591cb73c04",
        ),
        (
            "poc.sigsum.org/nisse",
            "1c25f8a44c635457e2e391d1efbca7d4c2951a0aef06225a881e46b98962ac6c",
            "fe82dc7e0f051492be67b9ebce4fe6c3b488e3286e10f55363655c6391a132eb\
             8c645ec7a4e414a81c6b2d8d149331bdb1e4bdd5609ff79009174d76f17c4302",
        ),
    ];
    let mut witnesses = vec![];
    for (name, public, signature) in by_witnesses {
        let witness = NamedKey { name: name.into(), key: key_of(public) };
        let cosignature = Cosignature { time: 1_755_522_370, signature: hex(signature).try_into().unwrap() };
        assert!(cosignature.holds(&head, &witness.key), "{name}");
        let later = Cosignature { time: cosignature.time + 1, ..cosignature };
        assert!(!later.holds(&head, &witness.key), "its time is signed");
        note += &cosignature.line(&witness);
        witnesses.push(witness);
    }
    let found = cosignatures(&note, &head, &witnesses).unwrap();
    assert_eq!(
        found.iter().map(|(at, found)| (*at, found.time)).collect::<Vec<_>>(),
        [(0, 1_755_522_370), (1, 1_755_522_370)]
    );
    assert_eq!(open_checkpoint(&note, &origin, &log), Ok(head), "with its witnesses' lines");
    for witness in &witnesses {
        assert_eq!(parse_vkey(&vkey(witness, KIND_COSIGNATURE), KIND_COSIGNATURE).as_ref(), Ok(witness));
    }
}

/// C2SP shows no key for its example: what can be read without is the frame.
#[test]
fn c2sps_example_of_a_cosigned_head_is_read() {
    let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let line = "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==";
    let note = format!(
        "{text}\n— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n{line}\n"
    );
    let (found, lines) = split_note(&note).unwrap();
    assert_eq!((found, lines.len(), lines[1]), (text, 2, line));
    let head = Checkpoint::parse(text).unwrap();
    assert_eq!((head.size, head.text().as_str()), (20_852_163, text));
    let (name, id, bytes) = super::note::parse_signature(line).unwrap();
    assert_eq!((name, id, bytes.len()), ("witness.example.com/w1", [0x8d, 0x66, 0xcf, 0x3f], 8 + 64));
    assert_eq!(u64::from_be_bytes(bytes[..8].try_into().unwrap()), 1_679_315_147);
    // Written again from its parts, under a key whose id is another, all but the id is the same.
    let cosignature = Cosignature { time: 1_679_315_147, signature: bytes[8..].try_into().unwrap() };
    let again = cosignature.line(&NamedKey { name: name.into(), key: [1; 32] });
    assert_eq!(again.split_at(name.len() + 5 + 6).1.trim_end(), line.split_at(name.len() + 5 + 6).1);
    assert_eq!(cosignatures(&note, &head, &[]), Ok(vec![]), "lines of unknown keys are passed over");
}

#[test]
fn published_proofs_are_read_and_written_alike_and_malformed_ones_refused() {
    let hashes: Vec<Digest> = [b"hash1", b"hash2"].map(|text| sha256(&[text])).to_vec();
    let [one, two] = [0, 1].map(|at| STANDARD.encode(hashes[at].0));
    let good = TlogProof { index: 5, hashes, note: "test checkpoint\n".into() };
    let text = format!("c2sp.org/tlog-proof@v1\nindex 5\n{one}\n{two}\n\ntest checkpoint\n");
    assert_eq!((good.text(), TlogProof::parse(&text)), (text.clone(), Ok(good)));
    let empty = TlogProof { index: 0, hashes: vec![], note: "checkpoint\n".into() };
    assert_eq!(TlogProof::parse("c2sp.org/tlog-proof@v1\nindex 0\n\ncheckpoint\n"), Ok(empty));
    let long = format!("c2sp.org/tlog-proof@v1\nindex 0\n{}\n\ncheckpoint\n", STANDARD.encode([0; 64]));
    let endless = format!("c2sp.org/tlog-proof@v1\nindex 0\n{}\n", "a".repeat(65 * 1024));
    for bad in [
        "wrong-header\nindex 0\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nextra !!notbase64!!\nindex 0\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\n\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex notanumber\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex -5\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n!!notbase64!!\n\ncheckpoint\n",
        &long,
        &endless,
        // Stricter: nothing signs it.
        &text.replacen("index", "extra ZXh0cmEgaW5mb3JtYXRpb24=\nindex", 1),
    ] {
        assert!(TlogProof::parse(bad).is_err(), "{bad:.80}");
    }
}

#[test]
fn published_malformed_checkpoints_are_refused() {
    let root = STANDARD.encode([7; 32]);
    assert!(Checkpoint::parse(&format!("Log\n123\n{root}\n")).is_ok());
    for bad in [
        "Head\n9944\n".to_owned(),
        format!("Log\n123\n{root}"),
        format!("Log\nbananas\n{root}\n"),
        format!("Log\n-34\n{root}\n"),
        format!("Log\n3438945738945739845734895735\n{root}\n"),
        "Log\n123\nThisIsn'tBase64\n".to_owned(),
        // Stricter: a root is 32 bytes, and there are no extension lines.
        "Log\n123\nYmFuYW5hcw==\n".to_owned(),
        format!("Log\n9944\n{root}\nHere's some associated data.\n"),
        format!("Log\n9944\n{root}\n\n\n\n"),
    ] {
        assert!(Checkpoint::parse(&bad).is_err(), "{bad}");
    }
}

#[test]
fn published_malformed_policies_are_refused() {
    let log = vkey(&key(PETER), KIND_ED25519);
    let witness = vkey(&key(ENOCH), KIND_COSIGNATURE);
    let good = format!("log {log}\nwitness w1 {witness}\ngroup witnesses 1 w1\nquorum witnesses\n");
    assert!(WitnessPolicy::parse(&good).is_ok(), "{good}");
    assert!(WitnessPolicy::parse(&format!("log {log}\nquorum none\n")).is_ok());
    for bad in [
        format!("log {log}\nquorum none\r\n"),
        format!("log {log}\nquorum none\n\u{1}"),
        format!("log {log}\nquibble w1\nquorum none\n"),
        "log\nquorum none\n".to_owned(),
        "log garbage\nquorum none\n".to_owned(),
        format!("log {log}\nlog {log}\nquorum none\n"),
        good.replace(&format!(" {witness}"), ""),
        good.replace(&witness, ENOCH),
        good.replace("w1", "none"),
        good.replace("1 w1\nq", "0 w1\nq"),
        good.replace("1 w1\nq", "-1 w1\nq"),
        good.replace("1 w1\nq", "2 w1\nq"),
        good.replace("1 w1\nq", "1 w2\nq"),
        good.replace("1 w1\nq", "1 w1 w1\nq"),
        good.replace("quorum witnesses\n", ""),
        good.replace("quorum witnesses\n", "quorum witnesses\nquorum witnesses\n"),
        good.replace("quorum witnesses\n", "quorum unknown\n"),
        good.replace("quorum witnesses\n", "quorum\n"),
    ] {
        assert!(WitnessPolicy::parse(&bad).is_err(), "{bad}");
    }
}
