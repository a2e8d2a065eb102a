"""Pupils and marks from a clean export, worked out a second time: CSV in, two Parquet files out.

What a code means, weekdays, birthdays and compulsory school age follow DATA section 2 and the law as it
is cited there; nothing of the node's own tables is read.

usage: registers.py FOLDER OUT    reads FOLDER/{pupils,attendance}.csv, writes OUT/{pupils,attendance}.parquet
"""

import sys

import duckdb

CLASSES = {
    "present": ["/", "\\", "L", "K", "V", "P", "W", "B"],
    "authorised": ["C", "C1", "C2", "E", "I", "J1", "M", "R", "S", "T"],
    "unauthorised": ["G", "N", "O", "U"],
    "not_required": ["D", "Q", "X", "Y1", "Y2", "Y3", "Y4", "Y5", "Y6", "Y7", "Z", "#"],
    "missing": ["-", "?", ""],
}


def main():
    folder, out = sys.argv[1:]
    with duckdb.connect() as db:
        db.execute("CREATE TABLE classes(code VARCHAR, class VARCHAR)")
        db.executemany(
            "INSERT INTO classes VALUES (?, ?)", [(code, name) for name, codes in CLASSES.items() for code in codes]
        )
        read = "read_csv('{}/{}.csv', all_varchar = true, header = true, quote = '\"', escape = '\"', nullstr = 'NULL')"
        db.execute(
            f"""CREATE TABLE pupils AS
            WITH born AS (
              SELECT *, CAST(dob AS DATE) AS birth, CAST(dob AS DATE) + INTERVAL 5 YEAR AS five,
                CAST(dob AS DATE) + INTERVAL 16 YEAR AS sixteen
              FROM {read.format(folder, 'pupils')}
            ), june AS (
              SELECT *, make_date(year(sixteen) + CAST(month(sixteen) >= 9 AS INT), 6, 30) AS last_june FROM born
            )
            SELECT pupil_id, nc_year, sex, sen, pupil_premium = 'true' AS pupil_premium,
              nullif(enrolment_status, '') AS enrolment_status, CAST(on_roll_from AS DATE) AS on_roll_from,
              CAST(nullif(on_roll_to, '') AS DATE) AS on_roll_to, birth,
              CASE WHEN month(five) <= 3 THEN make_date(year(five), 3, 31)
                WHEN month(five) <= 8 THEN make_date(year(five), 8, 31) ELSE make_date(year(five), 12, 31) END AS compulsory_from,
              last_june - ((isodow(last_june) + 2) % 7)::INT AS compulsory_to
            FROM june"""
        )
        db.execute(
            f"""CREATE TABLE attendance AS
            WITH marks AS (
              SELECT pupil_id, CAST(date AS DATE) AS date, session, code, class AS mark_class
              FROM {read.format(folder, 'attendance')} LEFT JOIN classes USING (code)
            ), near AS (
              SELECT marks.*, birth, [y for y in [year(date) - 1, year(date), year(date) + 1]] AS years
              FROM marks LEFT JOIN pupils USING (pupil_id)
            ), offsets AS (
              SELECT *, list_filter([
                date_diff('day', CAST(birth + to_years(CAST(y - year(birth) AS INT)) AS DATE), date) for y in years],
                lambda days: abs(days) <= 7) AS days FROM near
            )
            SELECT pupil_id, date, session, code, mark_class, days[1] AS birthday_offset, strftime(date, '%A') AS weekday,
              CAST(mark_class IN ('present', 'authorised', 'unauthorised') AS INT) AS possible,
              CAST(mark_class = 'present' AS INT) AS attended,
              CAST(mark_class IN ('authorised', 'unauthorised') AS INT) AS absent,
              CAST(code IN ('L', 'U') AS INT) AS late, CAST(code = 'G' AS INT) AS holiday
            FROM offsets"""
        )
        unknown = db.execute("SELECT DISTINCT code FROM attendance WHERE mark_class IS NULL").fetchall()
        if unknown:
            sys.exit(f"codes without a class: {unknown}")
        for table in ("pupils", "attendance"):
            db.execute(f"COPY {table} TO '{out}/{table}.parquet' (FORMAT parquet)")


main()
