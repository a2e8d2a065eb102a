//! The SQL that a member runs over its own rows, rendered from checked trees: no text of an asker's
//! reaches an engine.

use std::collections::BTreeMap;

use super::admit::scope_measures;
use super::{BoundQuestion, Grouping, Source};
use crate::sql::{Scope, ScopeMeasure, Type, identifier, quoted};
use crate::time::Day;
use crate::vocabulary::{Kind, Unit};

/// One row a unit, and a cell of its where it may count in several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnitSql {
    /// The whole SELECT.
    pub text: String,
    /// Whether the first column is the unit's id, rows of one unit standing together: the reader keeps
    /// the first cells of each.
    pub has_unit: bool,
}

impl BoundQuestion {
    /// The SELECT over the view `rows`: perhaps the unit, then each grouping that is no member fact as
    /// text, then each measure as a float.
    ///
    /// A person's own columns are one value: where rows of a person disagree the last in order counts,
    /// so a person is in one cell; by a column that varies the rows are grouped as well.
    pub fn unit_sql(&self) -> UnitSql {
        let vocabulary = &self.question.vocabulary;
        let has_unit = self.cuts_cells();
        let by = self.groupings().iter().filter(|by| !by.is_member_fact());
        let groups = by.enumerate().map(|(i, by)| format!("{} AS g{i}", self.grouping_sql(by)));
        let measures = self.measures_sql();
        let measures = measures.iter().enumerate().map(|(i, sql)| format!("CAST({sql} AS DOUBLE) AS m{i}"));
        let (unit, conditions, tail) = match vocabulary.unit() {
            Unit::Row => (None, vec![], String::new()),
            // Rows of nobody would make one person of many, whom Delta does not bound.
            Unit::Column(unit) => {
                let unit = identifier(unit);
                let varying = self.groupings().iter().filter(|by| by.source == Source::Varying);
                let keys: Vec<String> =
                    std::iter::once(unit.clone()).chain(varying.map(|by| identifier(&by.name))).collect();
                let order = if has_unit { format!(" ORDER BY {unit}") } else { String::new() };
                let conditions = vec![format!("{unit} IS NOT NULL")];
                (has_unit.then_some(unit), conditions, format!(" GROUP BY {}{order}", keys.join(", ")))
            }
        };
        let columns: Vec<String> = unit.into_iter().chain(groups).chain(measures).collect();
        let conditions: Vec<String> = self.filter_sql().into_iter().chain(conditions).collect();
        let filter = match conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", conditions.join(" AND ")),
        };
        UnitSql { text: format!("SELECT {} FROM rows{filter}{tail}", columns.join(", ")), has_unit }
    }

    fn is_bool(&self, column: &str) -> bool {
        self.question.vocabulary.column(column).is_some_and(|column| column.kind == Kind::Bool)
    }

    /// A unit's value of a grouping as text.
    fn grouping_sql(&self, by: &Grouping) -> String {
        let name = identifier(&by.name);
        let text = match self.is_bool(&by.name) {
            true => format!("CASE WHEN {name} THEN 'true' WHEN NOT {name} THEN 'false' END"),
            false => name,
        };
        match (&by.source, self.question.vocabulary.unit()) {
            (Source::Sql(expr), _) => {
                let measures = scope_measures(self.measures());
                self.scope(&measures, self.is_grouped()).render(expr, &self.values)
            }
            (Source::Column, Unit::Column(_)) => format!("MAX({text})"),
            (Source::Column | Source::Varying | Source::Member, _) => text,
        }
    }

    /// The row filter as SQL: the Question's own, what the Query is narrowed to, the listed values of
    /// columns that vary, and the period; `None` when every row counts.
    pub fn filter_sql(&self) -> Option<String> {
        let written =
            self.question.filter.as_ref().map(|expr| self.scope(&[], false).render(expr, &self.values));
        let narrowed = self.narrowed().iter().map(|one| self.one_of(&one.column, &one.values));
        let varying = self.groupings().iter().filter(|by| by.source == Source::Varying);
        let listed = varying.map(|by| self.one_of(&by.name, &by.cells));
        let period = self.question.vocabulary.date_column().map(|column| {
            let day = |day: Day| format!("CAST('{day}' AS DATE)");
            let name = identifier(&column.name);
            format!("({name} BETWEEN {} AND {})", day(self.period().first()), day(self.period().last()))
        });
        let parts: Vec<String> = written.into_iter().chain(narrowed).chain(listed).chain(period).collect();
        (!parts.is_empty()).then(|| parts.join(" AND "))
    }

    /// Whether a column has one of these listed values.
    fn one_of(&self, column: &str, values: &[String]) -> String {
        let is_bool = self.is_bool(column);
        let literal = |value: &String| if is_bool { value.clone() } else { quoted(value) };
        let values: Vec<String> = values.iter().map(literal).collect();
        format!("({} IN ({}))", identifier(column), values.join(", "))
    }

    /// Each measure as SQL over a unit's rows, in order.
    pub fn measures_sql(&self) -> Vec<String> {
        let render = |index: usize| {
            let earlier = scope_measures(&self.measures()[..index]);
            self.scope(&earlier, self.is_grouped()).render(&self.measures()[index].expr, &self.values)
        };
        (0..self.measures().len()).map(render).collect()
    }

    fn is_grouped(&self) -> bool {
        *self.question.vocabulary.unit() != Unit::Row
    }

    fn scope<'a>(&'a self, measures: &'a [ScopeMeasure], grouped: bool) -> Scope<'a> {
        static NONE: BTreeMap<String, Type> = BTreeMap::new();
        Scope { vocabulary: &self.question.vocabulary, params: &NONE, measures, grouped }
    }
}
