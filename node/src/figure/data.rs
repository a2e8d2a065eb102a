//! A figure for programs: JSON, and lines of CSV.

use serde_json::{Map, Value, json};

use super::{Cell, DEMO_NOTE, Figure, Number, Row, Who};
use crate::safe_csv::safe_csv_line;

/// The columns of a figure's CSV.
pub(super) const CSV_COLUMNS: [&str; 14] = [
    "figure",
    "group",
    "whose",
    "unit",
    "estimate",
    "low_95",
    "high_95",
    "noise_95",
    "chance_95",
    "status",
    "says",
    "note",
    "source",
    "certificate",
];

/// The numbers of a cell: value, low, high, noise, chance.
fn numbers(cell: &Cell) -> [Option<&Number>; 5] {
    match cell {
        Cell::Exact { value, chance } => [Some(value), None, None, None, chance.as_ref()],
        Cell::Estimated { value, low, high, noise, chance } => {
            [Some(value), Some(low), Some(high), Some(noise), chance.as_ref()]
        }
        Cell::Suppressed | Cell::Refused | Cell::Missing => [None; 5],
    }
}

/// Figures as one CSV under one header.
pub fn csv_of(figures: &[Figure], with_own: bool) -> String {
    let lines = figures.iter().map(|figure| figure.csv_lines(with_own));
    [safe_csv_line(CSV_COLUMNS)].into_iter().chain(lines).collect()
}

impl Figure {
    /// Its lines of CSV. Rows of our own are left out unless asked for, and then a note says so.
    fn csv_lines(&self, with_own: bool) -> String {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| with_own || row.who != Who::Own).collect();
        let own = rows.iter().any(|row| row.who == Who::Own);
        let demo = self.demo.then_some(DEMO_NOTE);
        let exact = own.then_some("Holds own exact figures: do not publish");
        let note: Vec<&str> = demo.into_iter().chain(exact).collect();
        let note = note.join(". ");
        let mut out = String::new();
        for row in rows {
            let label = row.label();
            let [value, low, high, noise, chance] =
                numbers(&row.cell).map(|number| number.map_or("", Number::text));
            out += &safe_csv_line([
                self.title.as_str(),
                &label,
                row.who.code(),
                self.unit.words(),
                value,
                low,
                high,
                noise,
                chance,
                row.cell.status(),
                if with_own { row.says.as_str() } else { "" },
                &note,
                &self.source,
                &self.certificate,
            ]);
        }
        out
    }

    /// As JSON, own rows included: for the owner's own programs.
    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let key: Map<String, Value> =
                row.key.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
            let [value, low, high, noise, chance] = numbers(&row.cell).map(|number| number.map(Number::text));
            json!({ "key": key, "whose": row.who.code(), "status": row.cell.status(), "value": value, "low": low,
                    "high": high, "noise": noise, "chance": chance,
                    "says": (!row.says.is_empty()).then_some(&row.says) })
        });
        json!({
            "schema": "datacoop.figure/1", "demo": self.demo, "id": self.id, "form": self.form.code(),
            "title": self.title, "subtitle": self.subtitle, "unit": self.unit.words(),
            "rows": rows.collect::<Vec<_>>(), "notes": self.notes, "source": self.source,
            "certificate": self.certificate,
        })
    }
}
