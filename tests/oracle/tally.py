"""A second implementation of the Tally, for tests: a question's TOML and Parquet tables in, integers out.

It shares no code with the node. DuckDB evaluates the question's SQL as it stands in the TOML; this file
does the rest as DATA section 6 tells it: who counts, rows by period and filter, groups by person, clip,
divide, round half away from zero, joint bounds, cells, sums.

stdin, one JSON document a line: {
  "vocabularies": {"attendance/1": toml, ...}, "question": toml,
  "lists": {"ks2_bands": [...]},                   named closed lists
  "tables": {"attendance/1": [parquet, ...], ...}, none for a vocabulary without a table
  "params": {...},                                 with choices: "by.sen": "yes", "for.nc_year": "7,8"
  "first": day, "last": day,                       the period
  "me": member id, "purpose": text, "at": day,     whose consent counts, and when
  "objections": [person, ...]
}
stdout, a line for each: {"tally": [...], "people": people with a contribution, "furthest": the greatest
sum of squares of one person} or {"error": text}
"""

import json
import math
import re
import sys
import tomllib
from fractions import Fraction

import duckdb

AGGREGATES = {"COUNT", "SUM", "MIN", "MAX", "AVG", "FILTER"}
TOKEN = re.compile(r"'(?:[^']|'')*'|:[a-z]\w*|[A-Za-z_]\w*|\d+(?:\.\d+)?|<>|<=|>=|\S", re.ASCII)
# Whose table tells who counts.
PEOPLE = {"pupils": "pupils/1", "people": "vcse_beneficiaries/1"}


def text_literal(text):
    return "'" + text.replace("'", "''") + "'"


def name(text):
    return '"' + text + '"'


def day(text):
    return f"DATE {text_literal(text.strip())}"


class Asked:
    """One question with its parameters, over the tables of one member."""

    def __init__(self, document):
        self.document = document
        self.question = tomllib.loads(document["question"])
        self.vocabularies = {key: tomllib.loads(text) for key, text in document["vocabularies"].items()}
        self.vocabulary = self.vocabularies[self.question["vocabulary"]]
        self.columns = {column["name"]: column for column in self.vocabulary["column"]}
        self.unit = None if self.vocabulary["unit"] == "row" else self.vocabulary["unit"]
        params = document["params"]
        self.narrowed = {k[4:]: v.split(",") for k, v in params.items() if k.startswith("for.")}
        self.groupings = [
            by
            for by in self.question.get("by", [])
            if not by.get("optional") or "by." + (by.get("column") or by.get("name") or by.get("member")) in params
        ]
        self.params, self.members = {}, {}
        for param, kind in self.question.get("param", {}).items():
            value = params.get(param)
            if value is None:
                continue
            if kind == "members":
                self.members[param] = [part.strip() for part in value.split(",")]
            elif kind in ("date", "dates"):
                self.params[param] = ", ".join(day(part) for part in value.split(","))
            elif kind == "number":
                self.params[param] = f"({value})"
            else:
                self.params[param] = text_literal(value)
        # Texts of measures, for those that name them later.
        self.measures = {}

    def cells(self, by):
        return self.document["lists"][by["cells"]] if isinstance(by["cells"], str) else by["cells"]

    def varies(self, by):
        return self.unit is not None and "column" in by and self.columns[by["column"]].get("varies", False)

    def one_value(self, column):
        """A person's own column, where rows are grouped: the last value in order."""
        return f"{'bool_or' if self.columns[column]['type'] == 'bool' else 'max'}({name(column)})"

    def sql(self, text, grouped):
        """The question's SQL with parameters and earlier measures in their places.

        Outside aggregates a grouped person's own column is its one value.
        """
        out, depth, inside, before = [], 0, None, ""
        for token in TOKEN.findall(text):
            if token == "(":
                depth += 1
                if inside is None and before.upper() in AGGREGATES:
                    inside = depth
            elif token == ")":
                if inside == depth:
                    inside = None
                depth -= 1
            if token.startswith(":"):
                out.append(self.params[token[1:]])
            elif token in self.measures:
                out.append(self.measures[token])
            elif token in self.columns:
                out.append(self.one_value(token) if grouped and inside is None else name(token))
            else:
                out.append(token)
            before = token
        return " ".join(out)

    def text_of(self, column):
        text = name(column)
        if self.columns[column]["type"] == "bool":
            text = f"(CASE WHEN {text} THEN 'true' WHEN NOT {text} THEN 'false' END)"
        return text


def counting(vocabulary, document):
    """The condition that a person's row meets who counts."""
    if vocabulary["dataset"] == "pupils":
        last = day(document["last"])
        return (
            f"coalesce(enrolment_status, 'C') <> 'S' AND on_roll_from <= {last}"
            f" AND (on_roll_to IS NULL OR on_roll_to >= {last})"
        )
    purpose = document["purpose"]
    purposes = "list_transform(regexp_split_to_array(consent_purposes, '[;,]'), lambda x: trim(x))"
    return (
        f"list_contains({purposes}, {text_literal(purpose)})"
        f" AND (consent_expires IS NULL OR consent_expires >= {day(document['at'])})"
    )


def read(db, asked, vocabulary, view):
    """A view of one vocabulary's table: every column it could have, numbers as floats. None: no table."""
    files = asked.document["tables"].get(vocabulary, [])
    if not files:
        return False
    db.execute(f"CREATE VIEW {view}_file AS SELECT * FROM read_parquet({json.dumps(files)}, union_by_name = true)")
    held = [row[0] for row in db.execute(f"DESCRIBE {view}_file").fetchall()]
    kinds = {column["name"]: column["type"] for column in asked.vocabularies[vocabulary]["column"]}
    columns = []
    for column in held:
        number = kinds.get(column) in ("number", "integer")
        columns.append(f"CAST({name(column)} AS DOUBLE) AS {name(column)}" if number else name(column))
    columns += [f"NULL AS {name(column)}" for column in kinds if column not in held]
    db.execute(f"CREATE VIEW {view} AS SELECT {', '.join(columns)} FROM {view}_file")
    return True


def make_rows(db, asked):
    """The view `rows`: the table's rows of people who count, with the people's own columns."""
    document, table = asked.document, asked.question["vocabulary"]
    if not read(db, asked, table, "own"):
        return False
    db.execute("CREATE TABLE objections(id VARCHAR)")
    db.executemany("INSERT INTO objections VALUES (?)", [[""]] + [[who] for who in document.get("objections", [])])
    people = PEOPLE.get(asked.vocabulary["dataset"])
    unit = asked.unit
    if unit is None:
        db.execute("CREATE VIEW rows AS SELECT * FROM own")
        return True
    free = f"NOT EXISTS (SELECT 1 FROM objections WHERE id = {{}}.{name(unit)})"
    if table == people or not people or not read(db, asked, people, "persons"):
        counts = counting(asked.vocabulary, document) if table == people else "TRUE"
        last = day(document["last"])
        age = f"coalesce(compulsory_from <= {last} AND (compulsory_to IS NULL OR compulsory_to >= {last}), compulsory_age)"
        shown = f"* REPLACE ({age} AS compulsory_age)" if "compulsory_from" in asked.columns else "*"
        db.execute(f"CREATE VIEW rows AS SELECT {shown} FROM own WHERE {counts} AND {free.format('own')}")
        return True
    theirs = {column["name"] for column in asked.vocabularies[people]["column"]}
    columns, alone = [], []
    person, last = asked.vocabularies[people]["unit"], day(document["last"])
    for column, about in asked.columns.items():
        own, value = f"own.{name(column)}", "NULL"
        if about.get("of") == people and column in theirs:
            value = f"persons.{name(column)}"
            if column == "compulsory_age" and "compulsory_from" in theirs:
                value = (
                    f"(CASE WHEN persons.compulsory_from IS NULL THEN {value} ELSE persons.compulsory_from <= {last}"
                    f" AND (persons.compulsory_to IS NULL OR persons.compulsory_to >= {last}) END)"
                )
            own = f"coalesce({own}, {value})"
        columns.append(f"{own} AS {name(column)}")
        value = {unit: f"persons.{name(person)}", "date": last}.get(column, value)
        alone.append(f"{value} AS {name(column)}")
    counts = counting(asked.vocabularies[people], document)
    rows = (
        f"SELECT {', '.join(columns)} FROM own JOIN persons ON own.{name(unit)} = persons.{name(person)}"
        f" WHERE {counts} AND {free.format('own')}"
    )
    if asked.question.get("everyone"):
        # Who has no row in the period is a row of their own columns alone.
        rows += (
            f" UNION ALL SELECT {', '.join(alone)} FROM persons WHERE {counts}"
            f" AND persons.{name(person)} NOT IN (SELECT id FROM objections)"
            f" AND NOT EXISTS (SELECT 1 FROM own WHERE own.{name(unit)} = persons.{name(person)}"
            f" AND own.date BETWEEN {day(document['first'])} AND {last})"
        )
    db.execute(f"CREATE VIEW rows AS {rows}")
    return True


def people_query(asked):
    """SQL of one row a person, or one for each value of columns that vary: who, groups, measures."""
    grouped = asked.unit is not None
    expressions = []
    for measure in asked.question["measure"]:
        sql = asked.sql(measure["sql"], grouped)
        centre = measure.get("centre", 0)
        if isinstance(centre, list):
            by = asked.groupings[0]
            value = asked.text_of(by["column"])
            value = f"max({value})" if grouped else value
            arms = "".join(
                f" WHEN {text_literal(cell)} THEN {float(Fraction(str(at)))!r}"
                for cell, at in zip(asked.cells(by), centre)
            )
            sql = f"(({sql}) - (CASE {value}{arms} END))"
        elif centre:
            sql = f"(({sql}) - {float(Fraction(str(centre)))!r})"
        low, high = (float(Fraction(str(end))) for end in measure["clamp"])
        value = f"CAST(({sql}) AS DOUBLE)"
        expressions.append(value)
        # Why no LEAST: it would pass over NULL.
        asked.measures[measure["name"]] = (
            f"(CASE WHEN {value} < {low!r} THEN {low!r} WHEN {value} > {high!r} THEN {high!r} ELSE {value} END)"
        )
    groups, varying = [], []
    for by in asked.groupings:
        if "member" in by:
            continue
        if "sql" in by:
            groups.append(f"({asked.sql(by['sql'], grouped)})")
        elif asked.varies(by):
            varying.append(name(by["column"]))
            groups.append(asked.text_of(by["column"]))
        else:
            text = asked.text_of(by["column"])
            groups.append(f"max({text})" if grouped else text)
    conditions = ["TRUE"]
    if grouped:
        conditions.append(f"{name(asked.unit)} IS NOT NULL")
    if "where" in asked.question:
        conditions.append(f"({asked.sql(asked.question['where'], False)})")
    if asked.columns.get("date", {}).get("type") == "date":
        first, last = day(asked.document["first"]), day(asked.document["last"])
        conditions.append(f"date BETWEEN {first} AND {last}")
    for column, values in asked.narrowed.items():
        conditions.append(f"{asked.text_of(column)} IN ({', '.join(map(text_literal, values))})")
    who = name(asked.unit) if grouped else "row_number() OVER ()"
    tail = f" GROUP BY {', '.join([who] + varying)}" if grouped else ""
    return f"SELECT {', '.join([who] + groups + expressions)} FROM rows WHERE {' AND '.join(conditions)}{tail}"


def round_half_away(value):
    whole = math.floor(abs(value))
    return int(math.copysign(whole + (abs(value) - whole >= 0.5), value))


def steps_of(question, values):
    """A person's measures on the grid; None where one is missing or no number."""
    steps = []
    for measure, value in zip(question["measure"], values):
        if value is None or math.isnan(value) or math.isinf(value):
            return None
        resolution = Fraction(str(measure["resolution"]))
        low, high = (Fraction(str(end)) / resolution for end in measure["clamp"])
        scaled = value * resolution.denominator / resolution.numerator
        steps.append(round_half_away(min(max(scaled, float(low)), float(high))))
    joint = question.get("at_most")
    if joint:
        indexes = [i for i, m in enumerate(question["measure"]) if m["name"] in joint["measures"]]
        resolution = Fraction(str(question["measure"][indexes[0]]["resolution"]))
        over = sum(steps[i] for i in indexes) - Fraction(str(joint["total"])) / resolution
        for i in reversed(indexes):
            cut = max(0, min(int(over), steps[i]))
            steps[i] -= cut
            over -= cut
    return steps


def cell_of(asked, texts):
    """Where a person counts, row-major; None where a value is not listed."""
    texts, cell = list(texts), 0
    for by in asked.groupings:
        cells = asked.cells(by)
        if "member" in by:
            value = "yes" if asked.document["me"] in asked.members[by["member"]] else "no"
        else:
            value = texts.pop(0)
        if value not in cells:
            return None
        cell = cell * len(cells) + cells.index(value)
    return cell


def tabulate(document):
    asked = Asked(document)
    width = len(asked.question["measure"])
    tally = [0] * (math.prod(len(asked.cells(by)) for by in asked.groupings) * width)
    people = {}
    with duckdb.connect() as db:
        # One thread: sums of floats in one order.
        db.execute("SET threads = 1")
        if make_rows(db, asked):
            for who, *values in db.execute(people_query(asked)).fetchall():
                cell = cell_of(asked, values[: len(values) - width])
                steps = steps_of(asked.question, values[len(values) - width :])
                if cell is not None and steps is not None:
                    people.setdefault(who, []).append((cell, steps))
    furthest = 0
    for cells in people.values():
        kept = sorted(cells)[: asked.question.get("cells_per_unit", 1)]
        furthest = max(furthest, sum(step * step for _, steps in kept for step in steps))
        for cell, steps in kept:
            for at, step in enumerate(steps):
                tally[cell * width + at] += step
    return {"tally": tally, "people": len(people), "furthest": furthest}


def main():
    for line in sys.stdin:
        try:
            answer = tabulate(json.loads(line))
        except (duckdb.Error, KeyError, ValueError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
