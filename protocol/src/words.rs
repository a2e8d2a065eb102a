//! A digest as twelve words, for people who compare it on the telephone: its first 128 bits and 4 check bits, of
//! a list of 2,048 words (CHARTER.md section 2). The list, its order and the check bits (the first 4 bits of
//! the SHA-256 of those 128) are BIP 39's; nothing here is a secret, a seed or money.
//!
//! Whoever wants other bytes under the same words has to try 2^128 of them. Whoever may write both texts finds a
//! pair after 2^64: a founder could give two charters that much work, and gain two co-operatives of strangers.

use bip39::{Error, Language, Mnemonic};
use datacoop_policy::Digest;

/// Words of a fingerprint.
pub const WORDS: usize = 12;
/// Bytes of a digest that the words stand for.
const BYTES: usize = 16;
/// Words that are suggested for one that is not on the list.
const SUGGESTIONS: usize = 3;
/// Letters that may differ in a suggestion: more is another word.
const SLIPS: usize = 2;

fn mnemonic(digest: &Digest) -> Mnemonic {
    Mnemonic::from_entropy_in(Language::English, &digest.0[..BYTES])
        .expect("INVARIANT: 16 bytes are a length that has words")
}

/// The words of a digest.
pub fn words(digest: &Digest) -> Vec<&'static str> {
    mnemonic(digest).words().collect()
}

/// The same in six pairs, as they are read aloud.
pub fn pairs(digest: &Digest) -> Vec<String> {
    words(digest).chunks(2).map(|pair| pair.join(" ")).collect()
}

/// Words that somebody typed or heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Words(Vec<u8>);

impl Words {
    /// Reads twelve words, however they are divided: pairs, lines, commas and numbers before them are let be.
    ///
    /// Errors: another count; a word that is not on the list, with those nearest to it; or one that was taken
    /// for another, which the check bits show 15 times in 16.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<String> = text
            .split(|c: char| !c.is_alphabetic())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        let known = Language::English.word_list();
        if let Some((at, word)) = words.iter().enumerate().find(|(_, word)| !known.contains(&word.as_str())) {
            let near = nearest(word, known);
            let hint = match near.is_empty() {
                true => "no word of the list is like it".to_owned(),
                false => format!("did you mean `{}`?", near.join("`, `")),
            };
            return Err(format!("word {}, `{word}`, is not on the list: {hint}", at + 1));
        }
        if words.len() != WORDS {
            return Err(format!("these are {} words; a fingerprint has {WORDS}", words.len()));
        }
        match Mnemonic::parse_in_normalized(Language::English, &words.join(" ")) {
            Ok(mnemonic) => Ok(Self(mnemonic.to_entropy_array().0[..BYTES].to_vec())),
            Err(Error::InvalidChecksum) => {
                Err("all twelve are on the list, but they do not belong together: one was taken for another, or two changed places; read them once more"
                    .into())
            }
            Err(error) => Err(format!("these are no twelve words of a fingerprint: {error}")),
        }
    }

    /// Whether these are the words of this digest.
    pub fn are_of(&self, digest: &Digest) -> bool {
        self.0 == digest.0[..BYTES]
    }
}

/// Words of the list nearest to one that is not on it, the nearest first.
fn nearest(word: &str, known: &[&'static str; 2048]) -> Vec<&'static str> {
    let mut near: Vec<(usize, &str)> = known
        .iter()
        .map(|candidate| (slips(word, candidate), *candidate))
        .filter(|(slips, _)| *slips <= SLIPS)
        .collect();
    near.sort_unstable();
    let best = near.first().map_or(0, |(slips, _)| *slips);
    near.into_iter().filter(|(slips, _)| *slips == best).map(|(_, word)| word).take(SUGGESTIONS).collect()
}

/// Letters to add, drop or change, or neighbours to swap, between two words (restricted Damerau-Levenshtein).
fn slips(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // No word of the list has more than eight letters.
    if a.len().abs_diff(b.len()) > SLIPS {
        return SLIPS + 1;
    }
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = match (i, j) {
                (0, j) => j,
                (i, 0) => i,
                (i, j) => {
                    let changed = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let best = changed.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                    match i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        true => best.min(table[i - 2][j - 2] + 1),
                        false => best,
                    }
                }
            };
        }
    }
    table[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::tree::sha256;

    fn digest(bytes: [u8; 16]) -> Digest {
        let mut all = [7; 32];
        all[..16].copy_from_slice(&bytes);
        Digest(all)
    }

    /// Vectors of BIP 39 (its reference `vectors.json`, English, 128 bits).
    #[test]
    fn the_words_are_those_of_the_published_list() {
        for (bytes, expected) in [
            (
                [0; 16],
                "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about",
            ),
            ([0x7f; 16], "legal winner thank year wave sausage worth useful legal winner thank yellow"),
            ([0x80; 16], "letter advice cage absurd amount doctor acoustic avoid letter advice cage above"),
            ([0xff; 16], "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong"),
        ] {
            let digest = digest(bytes);
            assert_eq!(words(&digest).join(" "), expected);
            assert_eq!(pairs(&digest).len(), 6);
            assert!(Words::parse(expected).unwrap().are_of(&digest));
        }
        let list = Language::English.word_list();
        assert_eq!(list.len(), 2_048);
        assert!(list.iter().all(|word| (3..=8).contains(&word.len())));
    }

    #[test]
    fn words_are_read_however_they_are_divided() {
        let digest = sha256(&[b"a charter"]);
        let words = words(&digest);
        let numbered: Vec<String> =
            words.iter().enumerate().map(|(n, w)| format!("{}. {w}", n + 1)).collect();
        for text in [
            words.join(" "),
            pairs(&digest).join("\n"),
            pairs(&digest).join(" / "),
            words.join(", ").to_uppercase(),
            numbered.join("\r\n"),
        ] {
            assert!(Words::parse(&text).unwrap().are_of(&digest), "{text}");
        }
        assert!(!Words::parse(&words.join(" ")).unwrap().are_of(&sha256(&[b"another"])));
        // Every one of the 128 bits counts.
        for bit in 0..128 {
            let mut other = digest;
            other.0[bit / 8] ^= 1 << (bit % 8);
            assert!(!Words::parse(&words.join(" ")).unwrap().are_of(&other), "{bit}");
        }
    }

    #[test]
    fn a_slip_is_named_and_the_nearest_word_suggested() {
        let of = |text: &str| Words::parse(text).unwrap_err();
        let good = "legal winner thank year wave sausage worth useful legal winner thank yellow";
        for (wrong, expected) in [
            (
                good.replacen("winner", "winer", 1),
                "word 2, `winer`, is not on the list: did you mean `wine`, `winner`, `winter`?",
            ),
            (
                good.replacen("sausage", "suasage", 1),
                "word 6, `suasage`, is not on the list: did you mean `sausage`?",
            ),
            (
                good.replacen("legal", "flurble", 1),
                "word 1, `flurble`, is not on the list: no word of the list is like it",
            ),
            (good.replacen(" yellow", "", 1), "these are 11 words; a fingerprint has 12"),
            (format!("{good} zoo"), "these are 13 words; a fingerprint has 12"),
            (String::new(), "these are 0 words; a fingerprint has 12"),
        ] {
            assert_eq!(of(&wrong), expected);
        }
        // Another word of the list, and two that changed places: the check bits.
        assert!(of(&good.replacen("winner", "winter", 1)).contains("do not belong together"));
        assert!(of(&good.replacen("thank year", "year thank", 1)).contains("do not belong together"));
        assert_eq!(slips("abc", "acb"), 1);
        assert_eq!(slips("abc", "abcd"), 1);
        assert!(of(&"é".repeat(5_000)).contains("not on the list"));
    }
}
