//! Canonical JSON: one line, no spaces, keys sorted, integers and strings only. One value has one
//! encoding, so a hash of the bytes is a hash of what they say.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datacoop_policy::Digest;

/// Longest entry: its length must fit the two bytes that a tile bundle gives it.
pub const ENTRY_BYTES_MAX: usize = 65_535;
/// Deepest nesting: an entry needs six levels; more would only serve to exhaust a stack.
const DEPTH_MAX: usize = 16;
/// Largest integer either way: beyond, `jq` and browsers round.
const INTEGER_MAX: i64 = (1 << 53) - 1;

/// A canonical JSON value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// At most 2^53 - 1 either way.
    Int(i64),
    /// Any text whose only control character is LF.
    Str(String),
    /// In order.
    Array(Vec<Value>),
    /// Sorted by key.
    Object(BTreeMap<String, Value>),
}

/// Why bytes are not canonical, or not the fields expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JsonError(String);

impl JsonError {
    /// With a sentence.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Value {
    /// An object of these fields.
    pub fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        Self::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// Bytes as a base64 string.
    pub fn base64(bytes: &[u8]) -> Self {
        Self::Str(STANDARD.encode(bytes))
    }

    /// Its one encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Int(number) => out.extend(number.to_string().as_bytes()),
            Self::Str(text) => write_text(text, out),
            Self::Array(items) => {
                out.push(b'[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(map) => {
                out.push(b'{');
                for (i, (key, value)) in map.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    write_text(key, out);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend(b"\\\""),
            b'\\' => out.extend(b"\\\\"),
            b'\n' => out.extend(b"\\n"),
            other => out.push(other),
        }
    }
    out.push(b'"');
}

/// Reads canonical JSON of at most `ENTRY_BYTES_MAX` bytes. Errors: any other form, with its place.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    if bytes.len() > ENTRY_BYTES_MAX {
        return Err(JsonError(format!("{} bytes; at most {ENTRY_BYTES_MAX}", bytes.len())));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| JsonError::new("not UTF-8"))?;
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    if reader.at != text.len() {
        return reader.fail("something follows the value");
    }
    Ok(value)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn fail<T>(&self, what: &str) -> Result<T, JsonError> {
        Err(JsonError(format!("{what} at byte {}", self.at)))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        if depth > DEPTH_MAX {
            return self.fail("nested too deeply");
        }
        match self.peek() {
            Some(b'"') => self.string().map(Value::Str),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'-' | b'0'..=b'9') => self.integer(),
            _ => self.fail("no value of the four kinds"),
        }
    }

    fn integer(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        self.eat(b'-');
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        let number = text.parse::<i64>().ok().filter(|n| n.unsigned_abs() <= INTEGER_MAX.unsigned_abs());
        match number {
            Some(number) if number.to_string() == text => Ok(Value::Int(number)),
            _ => self.fail("no canonical integer"),
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        if !self.eat(b'"') {
            return self.fail("no string");
        }
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(stop) = rest.bytes().position(|b| b == b'"' || b == b'\\' || b < 0x20 || b == 0x7f)
            else {
                return self.fail("an endless string");
            };
            out.push_str(&rest[..stop]);
            self.at += stop;
            match (self.peek(), self.text.as_bytes().get(self.at + 1)) {
                (Some(b'"'), _) => {
                    self.at += 1;
                    return Ok(out);
                }
                (Some(b'\\'), Some(b'"')) => out.push('"'),
                (Some(b'\\'), Some(b'\\')) => out.push('\\'),
                (Some(b'\\'), Some(b'n')) => out.push('\n'),
                _ => return self.fail("a control character or unknown escape"),
            }
            self.at += 2;
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.eat(b'[');
        let mut items = vec![];
        if self.eat(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.eat(b']') {
                return Ok(Value::Array(items));
            }
            if !self.eat(b',') {
                return self.fail("no comma");
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.eat(b'{');
        let mut map = BTreeMap::new();
        if self.eat(b'}') {
            return Ok(Value::Object(map));
        }
        loop {
            let key = self.string()?;
            if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return self.fail("a key out of order");
            }
            if !self.eat(b':') {
                return self.fail("no colon");
            }
            map.insert(key, self.value(depth + 1)?);
            if self.eat(b'}') {
                return Ok(Value::Object(map));
            }
            if !self.eat(b',') {
                return self.fail("no comma");
            }
        }
    }
}

/// Hands out an object's fields by name, and knows which are left.
pub struct Fields(BTreeMap<String, Value>);

impl Fields {
    /// Of an object. Errors: another kind of value.
    pub fn new(value: Value) -> Result<Self, JsonError> {
        match value {
            Value::Object(map) => Ok(Self(map)),
            Value::Int(_) | Value::Str(_) | Value::Array(_) => Err(JsonError::new("expected an object")),
        }
    }

    fn take(&mut self, name: &str) -> Result<Value, JsonError> {
        self.0.remove(name).ok_or_else(|| JsonError(format!("`{name}` is missing")))
    }

    /// Whether a field is there.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// An integer.
    pub fn integer(&mut self, name: &str) -> Result<i64, JsonError> {
        match self.take(name)? {
            Value::Int(number) => Ok(number),
            Value::Str(_) | Value::Array(_) | Value::Object(_) => {
                Err(JsonError(format!("`{name}` is not an integer")))
            }
        }
    }

    /// A string.
    pub fn string(&mut self, name: &str) -> Result<String, JsonError> {
        match self.take(name)? {
            Value::Str(text) => Ok(text),
            Value::Int(_) | Value::Array(_) | Value::Object(_) => {
                Err(JsonError(format!("`{name}` is not a string")))
            }
        }
    }

    /// 64 lowercase hex digits.
    pub fn digest(&mut self, name: &str) -> Result<Digest, JsonError> {
        self.string(name)?.parse().map_err(|_| JsonError(format!("`{name}` is not a hash")))
    }

    /// A hash, if the field is there.
    pub fn optional_digest(&mut self, name: &str) -> Result<Option<Digest>, JsonError> {
        if self.0.contains_key(name) { self.digest(name).map(Some) } else { Ok(None) }
    }

    /// An object, if the field is there.
    pub fn optional_object(&mut self, name: &str) -> Result<Option<Value>, JsonError> {
        if self.0.contains_key(name) { self.object(name).map(Some) } else { Ok(None) }
    }

    /// Canonical base64.
    pub fn bytes(&mut self, name: &str) -> Result<Vec<u8>, JsonError> {
        STANDARD.decode(self.string(name)?).map_err(|_| JsonError(format!("`{name}` is not base64")))
    }

    /// Canonical base64, if the field is there.
    pub fn optional_bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, JsonError> {
        if self.0.contains_key(name) { self.bytes(name).map(Some) } else { Ok(None) }
    }

    /// A list.
    pub fn array(&mut self, name: &str) -> Result<Vec<Value>, JsonError> {
        match self.take(name)? {
            Value::Array(items) => Ok(items),
            Value::Int(_) | Value::Str(_) | Value::Object(_) => {
                Err(JsonError(format!("`{name}` is not a list")))
            }
        }
    }

    /// A list, if the field is there.
    pub fn optional_array(&mut self, name: &str) -> Result<Option<Vec<Value>>, JsonError> {
        if self.0.contains_key(name) { self.array(name).map(Some) } else { Ok(None) }
    }

    /// An object, still as a value.
    pub fn object(&mut self, name: &str) -> Result<Value, JsonError> {
        let value = self.take(name)?;
        if matches!(value, Value::Object(_)) {
            Ok(value)
        } else {
            Err(JsonError(format!("`{name}` is not an object")))
        }
    }

    /// Nothing may be left over: no half-understood entries.
    pub fn finish(self) -> Result<(), JsonError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(JsonError(format!("unknown field `{}`", name.escape_debug()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_text_reads_back_byte_for_byte() {
        for good in [
            "{}",
            "[]",
            "0",
            "-1",
            "\"\"",
            r#"{"a":1,"b":[2,"c\n\"\\"]}"#,
            "9007199254740991",
            "-9007199254740991",
            "\"é\"",
            r#"{"":{}}"#,
        ] {
            let value = parse(good.as_bytes()).unwrap_or_else(|error| panic!("{good}: {error}"));
            assert_eq!(value.to_bytes(), good.as_bytes(), "{good}");
        }
    }

    #[test]
    fn every_other_form_is_refused() {
        for bad in [
            "",
            " {}",
            "{} ",
            "{\"a\": 1}",
            "1.0",
            "01",
            "-0",
            "1e3",
            "true",
            "null",
            "+1",
            "9007199254740992",
            "\"\t\"",
            "\"\\u0041\"",
            "\"\\/\"",
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,}"#,
            "[1,]",
            "\"",
            "{\"a\"}",
            "\"\u{7f}\"",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(parse(&[0xff]).is_err());
        assert!(parse(&vec![b'['; 10_000]).is_err());
        assert!(parse(&vec![b'1'; ENTRY_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn fields_know_what_is_left() {
        let mut fields = Fields::new(parse(br#"{"a":1,"b":"AQ=="}"#).unwrap()).unwrap();
        assert_eq!(fields.integer("a"), Ok(1));
        assert_eq!(fields.optional_bytes("c"), Ok(None));
        assert_eq!(fields.bytes("b"), Ok(vec![1]));
        assert!(fields.integer("a").is_err());
        assert_eq!(fields.finish(), Ok(()));
        let fields = Fields::new(parse(br#"{"a":1}"#).unwrap()).unwrap();
        assert!(fields.finish().is_err());
        let mut fields = Fields::new(parse(br#"{"b":"AR=="}"#).unwrap()).unwrap();
        assert!(fields.bytes("b").is_err(), "base64 with stray bits has a second encoding");
    }
}
