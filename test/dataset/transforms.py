"""
What the Python host makes of slices of tables: for each table of the file a line of JSON with the rows of each of its slices,
once as a DataFrame and once as a list of dicts.

    transforms.py FILE
"""
import datetime
import json
import math
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
from parallelrun_host.tables import Tables  # noqa: E402


def plain(value):
    if value is None or value != value:
        return None
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isinf(value) and value.is_integer():
        return int(value)
    return value


def rows_of(mini_batch, hand_over):
    if hand_over == "pandas":
        return [[plain(value) for value in row] for row in mini_batch.itertuples(index=False)]
    return [[plain(value) for value in row.values()] for row in mini_batch]


for case in json.load(open(sys.argv[1], encoding="utf-8")):
    for hand_over in ("pandas", "list"):
        tables = Tables([case["table"]], hand_over)
        print(json.dumps([rows_of(tables.read(source), hand_over) for source in case["sources"]]))
