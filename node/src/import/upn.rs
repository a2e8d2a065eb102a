//! Unique pupil numbers: a check letter, the authority (3), the establishment (4), the year (2), the
//! serial (3, whose last may be a letter: temporary). Checked at import, never kept.
//!
//! Source: Department for Education, guidance on unique pupil numbers.

/// Letters in the order of their value: I, O and S are left out.
const LETTERS: &[u8; 23] = b"ABCDEFGHJKLMNPQRTUVWXYZ";

/// Authorities of Wales, 660 to 681: their registers are read by another law.
const WALES: std::ops::RangeInclusive<u32> = 660..=681;

/// What a number is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Upn {
    /// Permanent, of an authority in England.
    Permanent,
    /// The last is a letter: it will be replaced.
    Temporary,
    /// Of an authority in Wales.
    Welsh,
    /// UN1 to UN5: why there is none.
    None,
}

/// Reads one. Errors: what is wrong; the text never repeats the number.
pub(crate) fn check(text: &str) -> Result<Upn, &'static str> {
    let text = text.trim().to_ascii_uppercase();
    let bytes = text.as_bytes();
    if let [b'U', b'N', b'1'..=b'5'] = bytes {
        return Ok(Upn::None);
    }
    if bytes.len() != 13 || !bytes[1..12].iter().all(u8::is_ascii_digit) {
        return Err("a unique pupil number is a letter, 11 digits, and a digit or letter");
    }
    let value = |byte: u8| match byte {
        b'0'..=b'9' => Some(usize::from(byte - b'0')),
        other => LETTERS.iter().position(|letter| *letter == other),
    };
    let weighed = (2..).zip(&bytes[1..]).map(|(place, byte)| value(*byte).map(|value| value * place));
    let sum =
        weighed.sum::<Option<usize>>().ok_or("its last letter is none that a unique pupil number has")?;
    if bytes[0] != LETTERS[sum % LETTERS.len()] {
        return Err("its check letter does not fit its digits; one of them is mistyped");
    }
    let authority: u32 = text[1..4].parse().expect("INVARIANT: they are digits");
    Ok(match bytes[12].is_ascii_alphabetic() {
        _ if WALES.contains(&authority) => Upn::Welsh,
        true => Upn::Temporary,
        false => Upn::Permanent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_letter_tells_mistyped_numbers() {
        for (text, kind) in [
            ("B801200005001", Upn::Permanent),
            ("G895416219001", Upn::Permanent),
            ("W341400020123", Upn::Permanent),
            (" u201123426007 ", Upn::Permanent),
            ("F89541621901A", Upn::Temporary),
            ("R674123101121", Upn::Welsh),
            ("UN1", Upn::None),
            ("un5", Upn::None),
        ] {
            assert_eq!(check(text), Ok(kind), "{text}");
        }
        for (text, said) in [
            ("A801200005001", "check letter"),
            ("B801200005010", "check letter"),
            ("F89541621901B", "check letter"),
            ("F89541621901I", "last letter"),
            ("B80120000500", "11 digits"),
            ("B8012000A5001", "11 digits"),
            ("UN6", "11 digits"),
            ("é80120000500", "11 digits"),
            ("", "11 digits"),
        ] {
            assert!(check(text).unwrap_err().contains(said), "{text}");
        }
    }
}
