//! CSV that a spreadsheet program opens without taking a text for a formula.

use std::borrow::Cow;

/// A field as it is written: `'` before a text that begins like a formula. Numbers stay numbers.
///
/// Source: OWASP, "CSV Injection".
pub fn safe_csv_field(text: &str) -> Cow<'_, str> {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula && text.parse::<f64>().is_err() { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// One line of CSV with its end.
pub fn safe_csv_line<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let quoted = fields.into_iter().map(|field| {
        let field = safe_csv_field(field);
        match field.contains(['"', ',', '\n', '\r', ';']) || field.starts_with(' ') || field.ends_with(' ') {
            true => format!("\"{}\"", field.replace('"', "\"\"")),
            false => field.into_owned(),
        }
    });
    quoted.collect::<Vec<_>>().join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_a_formula_and_numbers_stay_numbers() {
        for (text, written) in [
            ("=1+1", "'=1+1"),
            ("+44 20", "'+44 20"),
            ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("-", "'-"),
            ("-12.5", "-12.5"),
            ("+3", "+3"),
            ("-1e3", "-1e3"),
            ("a=b", "a=b"),
            ("'=x", "'=x"),
            ("", ""),
        ] {
            assert_eq!(safe_csv_field(text), written, "{text}");
        }
        assert_eq!(
            safe_csv_line(["a,b", "=x", "say \"no\"", " ", "5"]),
            "\"a,b\",'=x,\"say \"\"no\"\"\",\" \",5\r\n"
        );
    }
}
