//! Every byte of a real certificate changed, and so many left out, doubled or exchanged with the next: none
//! passes.
//!
//! Source: LOG section 8, C01. Each changed text goes through [`check`] as a whole, as it does in `datacoop
//! verify`: it reads the form first, then hashes, and signatures last.
//! What would make it fail: a byte that nothing signs, hashes or compares; a part with two forms.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use datacoop_policy::query::Mode;
use datacoop_protocol::audit::Outcome;
use datacoop_protocol::certificate::check;
use datacoop_tests::certified::{Scene, Story};

/// Of the places of a certificate, at one in so many a byte is left out, doubled or moved; prime, so that no
/// length of a line divides it.
const SAMPLED: usize = 97;
/// Bytes that one thread takes at a time.
const PIECE: usize = 64;

fn certificate() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    let scene = Scene { members: 5, mode: Mode::Secure, witnesses: 0, seed: 41 };
    TEXT.get_or_init(|| Story::tell(scene, 1).certificate(0))
}

/// The first check that fails, or `C00` where the bytes are no certificate at all; `None`: all pass.
fn caught_by(bytes: &[u8]) -> Option<&'static str> {
    let Ok(checked) = check(bytes) else { return Some("C00") };
    let failed = checked.checks.iter().find(|check| check.outcome == Outcome::Fail);
    // What can only be skipped has not passed either.
    failed.map(|check| check.code).or((!checked.passed()).then_some("C00"))
}

/// Changes the text at one byte in so many, on all processors. Returns how many texts were in form, and failed
/// by what they say.
fn changed_at_every(stride: usize, change: &(impl Fn(&mut Vec<u8>, usize) + Sync)) -> usize {
    let text = certificate().as_bytes();
    let (next, in_form) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        loop {
            let from = next.fetch_add(PIECE, Ordering::Relaxed);
            if from >= text.len() {
                return;
            }
            for at in (from..text.len().min(from + PIECE)).filter(|at| at % stride == 0) {
                let mut bytes = text.to_vec();
                change(&mut bytes, at);
                if bytes == text {
                    continue;
                }
                let code = caught_by(&bytes).unwrap_or_else(|| panic!("byte {at} changes nothing"));
                in_form.fetch_add(usize::from(!matches!(code, "C00" | "C01")), Ordering::Relaxed);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    in_form.into_inner()
}

/// One bit of every byte, the bits in turn.
#[test]
fn every_flipped_byte_is_caught() {
    assert_eq!(caught_by(certificate().as_bytes()), None);
    let in_form = changed_at_every(1, &|bytes: &mut Vec<u8>, at| bytes[at] ^= 1 << (at % 8));
    // Hashes, numbers and signatures have other readings: were none in form, only the form would be tested.
    assert!(in_form > certificate().len() / 10, "{in_form} of {} were in form", certificate().len());
}

/// Digits and base64 stay what they are: as much as can be stays in form.
fn exchange(bytes: &mut [u8], at: usize) {
    bytes[at] = match bytes[at] {
        b'f' | b'z' => b'a',
        b'9' => b'0',
        b'Z' => b'A',
        byte if byte.is_ascii_alphanumeric() => byte + 1,
        byte => byte,
    }
}

fn every_change(stride: usize) {
    changed_at_every(stride, &|bytes: &mut Vec<u8>, at| exchange(bytes, at));
    changed_at_every(stride, &|bytes: &mut Vec<u8>, at| {
        bytes.remove(at);
    });
    changed_at_every(stride, &|bytes: &mut Vec<u8>, at| bytes.insert(at, bytes[at]));
    changed_at_every(stride, &|bytes: &mut Vec<u8>, at| bytes.swap(at, at.saturating_sub(1)));
}

#[test]
fn a_byte_left_out_doubled_exchanged_or_moved_is_caught() {
    every_change(SAMPLED);
}

/// All eight bits of every byte, and every byte in every other way.
#[test]
#[ignore = "minutes of processor time"]
fn every_bit_and_every_byte_changed_in_every_way_is_caught() {
    for bit in 0..8 {
        changed_at_every(1, &|bytes: &mut Vec<u8>, at| bytes[at] ^= 1 << bit);
    }
    every_change(1);
}
