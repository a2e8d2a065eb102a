//! A Vocabulary: what columns a dataset has, which values they allow, whom a row is about.

use std::collections::BTreeSet;

use serde::Deserialize;

/// Columns of one Vocabulary: the widest shipped one has 22; a form of 200 is no standard.
pub const COLUMNS_MAX: usize = 200;
/// Values in one closed list: a release repeats each of them.
pub const VALUES_MAX: usize = 500;
/// Longest name, value or description in bytes.
pub const NAME_BYTES_MAX: usize = 200;
/// Longest Vocabulary text in bytes.
pub const VOCABULARY_BYTES_MAX: usize = 256 * 1024;

/// What a column's values are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Any text; a closed list when values are given.
    Text,
    /// A number, perhaps with decimals.
    Number,
    /// A whole number.
    Integer,
    /// True or false.
    Bool,
    /// A civil day.
    Date,
}

impl Kind {
    /// As written in a Vocabulary.
    pub fn code(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Bool => "bool",
            Self::Date => "date",
        }
    }
}

/// Whom one row is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Each row is one person.
    Row,
    /// This column names the person.
    Column(String),
}

/// A column.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name in Questions and tables: `a-z 0-9 _`.
    pub name: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// In words.
    #[serde(default)]
    pub description: String,
    /// The closed list of a text column.
    #[serde(default)]
    pub values: Vec<String>,
    /// Results may be split by it.
    #[serde(default)]
    pub group: bool,
    /// It differs between the rows of one person: a split by it would put a person in several cells.
    #[serde(default)]
    pub varies: bool,
    /// A file without it is refused.
    #[serde(default)]
    pub required: bool,
    /// In a Question only if the charter's purpose names it.
    #[serde(default)]
    pub sensitive: bool,
    /// May filter or feed a measure, never a cell.
    #[serde(default)]
    pub private: bool,
    /// Never in a Question.
    #[serde(default)]
    pub never: bool,
    /// Computed at import from other columns; a file need not have it.
    #[serde(default)]
    pub derived: bool,
    /// The vocabulary, such as `pupils/1`, that says it of a person: one value each, taken from that
    /// vocabulary's table where a file has none of its own.
    #[serde(default)]
    pub of: Option<String>,
    /// Smallest value of a number.
    #[serde(default)]
    pub low: Option<i64>,
    /// Largest value of a number.
    #[serde(default)]
    pub high: Option<i64>,
    /// Other headers it goes by.
    #[serde(default)]
    pub synonyms: Vec<String>,
    /// `member`: it only says which member a row belongs to, and is dropped at import.
    #[serde(default)]
    pub role: Option<String>,
}

impl Column {
    /// The flags that are set, as written in a Vocabulary.
    pub fn flags(&self) -> Vec<&'static str> {
        let flags = [
            ("group", self.group),
            ("varies", self.varies),
            ("required", self.required),
            ("sensitive", self.sensitive),
            ("private", self.private),
            ("never", self.never),
            ("derived", self.derived),
        ];
        flags.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    id: String,
    version: u32,
    title: String,
    dataset: String,
    unit: String,
    #[serde(default)]
    people_max: Option<String>,
    #[serde(default)]
    key: Vec<String>,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    licence: String,
    column: Vec<Column>,
}

/// A data standard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vocabulary {
    name: String,
    title: String,
    dataset: String,
    owner: String,
    licence: String,
    unit: Unit,
    key: Vec<String>,
    columns: Vec<Column>,
}

impl Vocabulary {
    /// Reads a Vocabulary's TOML. Errors: a sentence that names the field and the remedy.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        if text.len() > VOCABULARY_BYTES_MAX {
            return Err(format!("a vocabulary of {} bytes; at most {VOCABULARY_BYTES_MAX}", text.len()));
        }
        let draft: Draft = toml::from_str(text).map_err(|error| not_read(text, &error))?;
        if !is_name(&draft.id) || !is_name(&draft.dataset) {
            return Err("`id` and `dataset` are names of a-z, 0-9, - and _".into());
        }
        if draft.people_max.as_deref().is_some_and(|rule| rule != "rows") {
            return Err("`people_max` is \"rows\" or left out; a charter states each member's own".into());
        }
        check_columns(&draft.column)?;
        if let Some(unknown) =
            draft.key.iter().find(|name| !draft.column.iter().any(|column| column.name == **name))
        {
            return Err(format!("`key` names columns; there is no `{unknown}`"));
        }
        let unit = if draft.unit == "row" {
            Unit::Row
        } else {
            let names =
                draft.column.iter().any(|column| column.name == draft.unit && column.kind == Kind::Text);
            if !names {
                return Err(format!("`unit` is \"row\" or a text column; there is no `{}`", draft.unit));
            }
            Unit::Column(draft.unit)
        };
        Ok(Self {
            name: format!("{}/{}", draft.id, draft.version),
            title: draft.title,
            dataset: draft.dataset,
            owner: draft.owner,
            licence: draft.licence,
            unit,
            key: draft.key,
            columns: draft.column,
        })
    }

    /// Such as `attendance/1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// In words.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Vocabularies about the same people share one.
    pub fn dataset(&self) -> &str {
        &self.dataset
    }

    /// Who keeps the standard; may be empty.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// On what terms others may use it; may be empty.
    pub fn licence(&self) -> &str {
        &self.licence
    }

    /// Whom a row is about.
    pub fn unit(&self) -> &Unit {
        &self.unit
    }

    /// Whether a column names the person that a row is about: then no Question may read it, whatever
    /// its flags say.
    pub fn names_unit(&self, column: &str) -> bool {
        matches!(&self.unit, Unit::Column(unit) if *unit == *column)
    }

    /// Columns that together no two rows share; empty when rows may repeat.
    pub fn key(&self) -> &[String] {
        &self.key
    }

    /// Every column, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column that a period applies to: a date called `date`.
    pub fn date_column(&self) -> Option<&Column> {
        self.column("date").filter(|column| column.kind == Kind::Date)
    }
}

/// One line: where the text stops being a Vocabulary, and why. The parser's own picture has five lines.
fn not_read(text: &str, error: &toml::de::Error) -> String {
    let what = error.message().lines().collect::<Vec<_>>().join("; ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return format!("not a vocabulary: {what}");
    };
    format!("not a vocabulary: line {}: {what}", before.matches('\n').count() + 1)
}

fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    !text.is_empty() && text.len() <= 64 && text.bytes().all(plain)
}

fn check_columns(columns: &[Column]) -> Result<(), String> {
    if columns.is_empty() || columns.len() > COLUMNS_MAX {
        return Err(format!("{} columns; write 1 to {COLUMNS_MAX}", columns.len()));
    }
    let mut names = BTreeSet::new();
    for column in columns {
        let name = &column.name;
        if !is_name(name) || name.contains('-') {
            return Err(format!("column `{}`: a name is a-z, 0-9 and _", name.escape_debug()));
        }
        if !names.insert(name) {
            return Err(format!("column `{name}` stands twice; remove one"));
        }
        check_values(column)
            .and_then(|()| check_flags(column))
            .map_err(|what| format!("column `{name}`: {what}"))?;
    }
    Ok(())
}

fn check_values(column: &Column) -> Result<(), String> {
    let distinct: BTreeSet<_> = column.values.iter().collect();
    if distinct.len() != column.values.len() || column.values.len() > VALUES_MAX {
        return Err(format!("at most {VALUES_MAX} values, each once"));
    }
    if column.values.iter().any(|value| value.is_empty() || value.len() > NAME_BYTES_MAX) {
        return Err(format!("values have 1 to {NAME_BYTES_MAX} bytes"));
    }
    if !column.values.is_empty() && column.kind != Kind::Text {
        return Err("only text has a list of values; use low and high for numbers".into());
    }
    if column.low.zip(column.high).is_some_and(|(low, high)| low > high) {
        return Err("low is above high".into());
    }
    Ok(())
}

fn check_flags(column: &Column) -> Result<(), String> {
    let refuse = |text: &str| Err(text.to_owned());
    if column.group && column.values.is_empty() && column.kind != Kind::Bool {
        return refuse("to group by it, list its values");
    }
    if column.group && (column.private || column.never) {
        return refuse("private and never columns cannot be grouped by; remove `group` or the other");
    }
    if column.derived && column.required {
        return refuse("a derived column is computed at import, so no file must have it; remove `required`");
    }
    if column.of.is_some() && (column.required || column.varies || column.derived) {
        return refuse(
            "`of` takes a person's value from another vocabulary; remove `required`, `varies` and `derived`",
        );
    }
    if column.role.as_deref().is_some_and(|role| role != "member") {
        return refuse("the only role is \"member\"");
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a user writes for a spreadsheet of their own.
    pub(crate) const EXAM: &str = r#"
        id = "exam"
        version = 1
        title = "Examination results"
        dataset = "exam"
        unit = "row"
        people_max = "rows"
        column = [
          { name = "school", type = "text", role = "member" },
          { name = "sex", type = "text", values = ["F", "M"], group = true },
          { name = "score", type = "number", low = -4, high = 4, synonyms = ["result"] },
          { name = "note", type = "text", never = true },
        ]"#;

    #[test]
    fn the_example_reads() {
        let exam = Vocabulary::from_toml(EXAM).unwrap();
        assert_eq!((exam.name(), exam.dataset(), exam.unit()), ("exam/1", "exam", &Unit::Row));
        assert_eq!(exam.column("sex").unwrap().values, ["F", "M"]);
    }

    #[test]
    fn flags_read_and_are_off_unless_written() {
        let text = EXAM.replace("high = 4,", "high = 4, private = true, derived = true, sensitive = true,");
        let exam = Vocabulary::from_toml(&text).unwrap();
        let flags = |name| exam.column(name).unwrap().flags();
        assert_eq!(flags("score"), ["sensitive", "private", "derived"]);
        assert_eq!(flags("sex"), ["group"]);
        let text = EXAM.replace("group = true", "group = true, sensitive = true");
        assert!(Vocabulary::from_toml(&text).unwrap().column("sex").unwrap().sensitive);
    }

    #[test]
    fn each_mistake_is_named() {
        for (from, to, said) in [
            ("exam", "Exam", "names of a-z"),
            ("\"row\"", "\"person\"", "there is no `person`"),
            ("version = 1", "version = 1\ncolour = 3", "line 4: unknown field `colour`"),
            ("group = true", "group = true, private = true", "column `sex`: private and never"),
            ("group = true", "group = true, never = true", "cannot be grouped by"),
            ("group = true", "derived = true, required = true", "remove `required`"),
            ("group = true", "group = 1", "line 10: invalid type"),
            ("\"rows\"", "\"300\"", "`people_max` is \"rows\""),
            ("unit = \"row\"", "", "missing field `unit`"),
            (", values = [\"F\", \"M\"]", "", "list its values"),
            ("\"F\", \"M\"", "\"F\", \"F\"", "each once"),
            ("name = \"score\"", "name = \"sex\"", "stands twice"),
            ("low = -4", "low = 5", "low is above high"),
            ("\"number\"", "\"money\"", "unknown variant"),
            ("group = true", "group = true, varies = true, of = \"pupils/1\"", "from another vocabulary"),
            ("role = \"member\"", "role = \"owner\"", "the only role"),
        ] {
            let error = Vocabulary::from_toml(&EXAM.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(said), "{to}: {error}");
        }
    }
}
