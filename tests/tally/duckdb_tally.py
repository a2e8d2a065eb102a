"""The same Tally as the bench's, by DuckDB: how long it takes, and what it finds.

usage: duckdb_tally.py SESSIONS PUPILS FIRST LAST RUNS; prints one JSON object.

Both forms count the same. `summed_first` adds up each pupil's sessions and joins pupils, not sessions;
`joined_first` is how one would write it without thinking of speed.
"""

import json
import sys
import time

import duckdb

sessions, pupils, first, last, runs = sys.argv[1:]

COUNTED = f"""
  SELECT pupil_id, max(nc_year) AS nc_year, max(pupil_premium) AS pupil_premium,
    max(compulsory_age) AS compulsory_age
  FROM read_parquet('{pupils}')
  WHERE (enrolment_status IS NULL OR enrolment_status IN ('C', 'M'))
    AND on_roll_from <= DATE '{last}' AND (on_roll_to IS NULL OR on_roll_to >= DATE '{last}')
  GROUP BY pupil_id"""

SUMMED_FIRST = f"""
  WITH summed AS (
    SELECT pupil_id, sum(attended) AS attended, sum(absent) AS absent
    FROM read_parquet('{sessions}')
    WHERE date BETWEEN DATE '{first}' AND DATE '{last}' GROUP BY pupil_id)
  SELECT nc_year, pupil_premium, attended, absent
  FROM summed JOIN ({COUNTED}) AS who USING (pupil_id) WHERE who.compulsory_age"""

JOINED_FIRST = f"""
  SELECT max(who.nc_year) AS nc_year, max(who.pupil_premium) AS pupil_premium,
    sum(attended) AS attended, sum(absent) AS absent
  FROM read_parquet('{sessions}') JOIN ({COUNTED}) AS who USING (pupil_id)
  WHERE who.compulsory_age AND date BETWEEN DATE '{first}' AND DATE '{last}' GROUP BY pupil_id"""


def tally(units):
    """Clips each pupil, the last measure first where both are too much, and adds up the cells."""
    return f"""
      WITH units AS ({units}),
      clipped AS (SELECT nc_year, pupil_premium, greatest(0, least(attended, 380)) AS attended,
        greatest(0, least(absent, 380)) AS absent FROM units)
      SELECT nc_year, pupil_premium, sum(attended),
        sum(greatest(0, absent - greatest(0, attended + absent - 380)))
      FROM clipped GROUP BY 1, 2"""


def measured(connection, sql):
    times = []
    for _ in range(int(runs)):
        began = time.perf_counter()
        rows = connection.execute(sql).fetchall()
        times.append(time.perf_counter() - began)
    found = {(year, premium): (int(attended), int(absent)) for year, premium, attended, absent in rows}
    cells = []
    for year in ["7", "8", "9", "10", "11"]:
        for premium in [True, False]:
            cells.extend(found.get((year, premium), (0, 0)))
    return times, cells


connection = duckdb.connect()
summed, cells = measured(connection, tally(SUMMED_FIRST))
joined, same = measured(connection, tally(JOINED_FIRST))
assert cells == same, "the two forms count the same"
result = {"version": duckdb.__version__, "summed_first": summed, "joined_first": joined, "cells": cells}
print(json.dumps(result))
