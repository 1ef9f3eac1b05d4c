"""
Random results of mini-batches and what their Parquet file must hold, by the rules of docs/output.md and pyarrow.

    parquetframes.py make SEED CASES FOLDER     writes FOLDER/<case>/<mini-batch>.rows, as a worker would
    parquetframes.py check SEED CASES FOLDER    compares FOLDER/<case>/result.parquet

Both make the same values of the seed. Prints a line with the case for the first difference, and exits with 1.
"""
import datetime
import decimal
import json
import os
import random
import sys

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
from parallelrun_host.results import encode, format_of  # noqa: E402

NAN = float("nan")
TEXTS = ["", "plain", "two\nlines", "cr\r\n", 'q"q', "\u2028", "\U0001f600", "a,b", "NaN", "null", "\x00", "\\ud800"]
LIBRARIES = ("pandas", "pyarrow", "polars", "dicts")
NAMES = ["a", "b", "value", "__proto__", "", "a.b", "spaced name", "\u00fc"]
INTEGERS = {"int8": 7, "int16": 15, "int32": 31, "int64": 63, "uint8": 8, "uint16": 16, "uint32": 32, "uint64": 64}
UNITS = {"s": 1, "ms": 10 ** 3, "us": 10 ** 6, "ns": 10 ** 9}


def integer(rng, kind):
    bits = INTEGERS[kind]
    low, high = (0, 2 ** bits - 1) if kind.startswith("u") else (-2 ** bits, 2 ** bits - 1)
    return rng.choice([low, high, 0, 1, rng.randint(low, high), rng.randint(0, 99)])


def floating(rng, short):
    value = rng.choice([0.0, -0.0, 1.5, NAN, float("inf"), float("-inf"), rng.uniform(-1e9, 1e9), 5e-324, 0.1])
    return float(pa.scalar(value, pa.float32()).as_py()) if short else value


class Column:
    """What one mini-batch has in a column: `type` as pyarrow calls it, None where values have no type of their own."""

    def __init__(self, kind, values):
        self.kind, self.values = kind, values


def make_column(rng, family, rows):
    """A kind of the family and values of it, some missing."""
    kind, one = FAMILIES[family](rng)
    gaps = rng.choice([0, 0, 0.3, 1])
    return Column(kind, [None if rng.random() < gaps else one() for _ in range(rows)])


def narrow(rng):
    kind = rng.choice(["int8", "int16", "int32", "uint8", "uint16"])
    return kind, lambda: integer(rng, kind)


def whole(rng):
    kind = rng.choice(["int32", "int64", "uint32"])
    return kind, lambda: integer(rng, kind)


def huge(rng):
    kind = rng.choice(["int64", "uint64", "uint64"])
    return kind, lambda: integer(rng, kind)


def huge_unsigned(rng):
    kind = rng.choice(["int64", "uint64"])
    return kind, lambda: abs(integer(rng, kind)) % 2 ** 63 if kind == "int64" else integer(rng, kind)


def number(rng):
    kind = rng.choice(["int32", "float32", "float64"])
    return kind, lambda: integer(rng, kind) if kind == "int32" else floating(rng, kind == "float32")


def number_too_long(rng):
    kind = rng.choice(["int64", "float64"])
    return kind, lambda: 2 ** 60 + 1 if kind == "int64" else 1.5


def real(rng):
    kind = rng.choice(["float32", "float64"])
    return kind, lambda: floating(rng, kind == "float32")


def timestamp(zone):
    def family(rng):
        unit = rng.choice(["ms", "us", "ns"])
        return "timestamp[%s%s]" % (unit, ", tz=UTC" if zone else ""), lambda: rng.randint(-10 ** 9, 4 * 10 ** 9) * UNITS[
            unit] + rng.randrange(UNITS[unit])
    return family


def dec(rng):
    digits, scale = rng.choice([(5, 2), (18, 0), (28, 9), (20, 11)])
    most = 10 ** digits - 1
    return "decimal128(%d, %d)" % (digits, scale), lambda: decimal.Decimal(rng.randint(-most, most)).scaleb(
        -scale, decimal.Context(prec=60))


def mixed(rng):
    kind = rng.choice(["int64", "string", "bool"])
    return kind, {"int64": lambda: rng.randrange(100), "string": lambda: rng.choice(TEXTS),
                  "bool": lambda: rng.random() < 0.5}[kind]


FAMILIES = {
    "narrow": narrow, "whole": whole, "huge": huge, "huge unsigned": huge_unsigned, "number": number, "real": real,
    "number too long": number_too_long, "mixed": mixed, "decimal": dec,
    "time": timestamp(False), "instant": timestamp(True),
    "string": lambda rng: ("string", lambda: rng.choice(TEXTS)),
    "bool": lambda rng: ("bool", lambda: rng.random() < 0.5),
    "binary": lambda rng: ("binary", lambda: rng.choice([b"", b"\x00\xff", b"text", rng.randbytes(9)])),
    "date": lambda rng: ("date32[day]", lambda: datetime.date(1, 1, 1) + datetime.timedelta(rng.randrange(3000000))),
    "nested": lambda rng: ("nested", lambda: rng.choice([[1, "x"], {"k": [None, 1.5]}, [], {}])),
}
#: Without the pieces that a library can't say: what Python's own values are.
OWN_KIND = {"int8": "int64", "int16": "int64", "int32": "int64", "uint8": "int64", "uint16": "int64", "uint32": "int64",
            "float32": "float64"}


def arrow_type(kind):
    if kind.startswith("timestamp"):
        unit, _, zone = kind[10:-1].partition(", tz=")
        return pa.timestamp(unit, zone or None)
    if kind.startswith("decimal"):
        digits, scale = kind[11:-1].split(", ")
        return pa.decimal128(int(digits), int(scale))
    return pa.date32() if kind == "date32[day]" else getattr(pa, {"bool": "bool_"}.get(kind, kind))()


def arrow_array(column):
    if column.kind == "nested":
        raise ValueError("no arrow type")
    if column.kind.startswith("timestamp"):
        return pa.array(column.values, pa.int64()).cast(arrow_type(column.kind))
    return pa.array(column.values, arrow_type(column.kind), from_pandas=False)


class Batch:
    def __init__(self, rng, families, names):
        self.rows = rng.choice([0, 1, 2, 3, 10])
        self.library = rng.choice(LIBRARIES)
        self.columns = {}
        for name in rng.sample(names, rng.randint(1, len(names))):
            family = families[name]
            if family == "nested" and self.library in ("pyarrow", "polars"):
                continue
            self.columns[name] = make_column(rng, family, self.rows)
        if not self.columns:
            self.columns["only"] = Column("string", ["x"] * self.rows)
        for column in self.columns.values():
            self.settle(column)

    def settle(self, column):
        """What of kind and values is left where a library has been in between."""
        if self.library == "dicts":
            if column.kind.startswith("timestamp[ns"):
                column.values = [None if v is None else v // 1000 for v in column.values]
                column.kind = column.kind.replace("ns", "us")
            elif column.kind.startswith("timestamp[ms"):
                column.values = [None if v is None else v * 1000 for v in column.values]
                column.kind = column.kind.replace("ms", "us")
        if self.library == "pandas":
            if column.kind in ("float32", "float64"):
                column.values = [None if v is not None and v != v else v for v in column.values]
            if column.kind in INTEGERS and None in column.values:
                column.kind = "Int" + column.kind  # its nullable type
            if column.kind.startswith("decimal") or column.kind in ("bool", "binary", "date32[day]", "string", "nested"):
                column.kind = "own " + column.kind
        elif self.library == "dicts":
            column.kind = "own " + column.kind

    def returned(self):
        return getattr(self, "_" + self.library)()

    def _dicts(self):
        values = {name: self._python(column) for name, column in self.columns.items()}
        return [{name: cells[row] for name, cells in values.items()} for row in range(self.rows)]

    @staticmethod
    def _python(column):
        if "timestamp" not in column.kind:
            return column.values
        zone = datetime.timezone.utc if "UTC" in column.kind else None
        epoch = datetime.datetime(1970, 1, 1, tzinfo=zone)
        return [None if v is None else epoch + datetime.timedelta(microseconds=v) for v in column.values]

    def _pandas(self):
        frame = pd.DataFrame(index=pd.RangeIndex(self.rows))
        series = []
        for column in self.columns.values():
            kind = column.kind
            if kind.startswith("timestamp"):
                made = arrow_array(column).to_pandas()
            elif kind.startswith("Int"):
                made = pd.Series(pd.array(column.values, dtype=kind[3:].replace("uint", "UInt").replace("int", "Int")))
            else:
                made = pd.Series(column.values, dtype=object if kind.startswith("own") else kind)
            series.append(made.reset_index(drop=True))
        frame = pd.concat(series, axis=1) if series else frame
        frame.columns = list(self.columns)
        return frame

    def _pyarrow(self):
        table = pa.table([arrow_array(column) for column in self.columns.values()], names=list(self.columns))
        return pa.concat_tables([table.slice(0, 1), table.slice(1)]) if self.rows else table

    def _polars(self):
        frame = pl.from_arrow(self._pyarrow())
        frame.columns = list(self.columns)  # polars renames the empty one
        return frame


def expected(batches):
    """-> {name: (arrow type, values)}, in order of first appearance."""
    names = list(dict.fromkeys(name for batch in batches for name in batch.columns))
    return {name: settled([(batch.columns.get(name), batch.rows) for batch in batches]) for name in names}


def said_kind(column):
    """The kind as the worker says it: of Python's own values, what they are."""
    kind = column.kind
    present = [value for value in column.values if value is not None]
    if kind.startswith("Int"):
        return kind[3:]
    if not kind.startswith("own "):
        return kind
    if not present:
        return None
    kind = kind[4:]
    if kind == "uint64":
        return "uint64" if max(present) >= 2 ** 63 else "int64"
    if kind.startswith("decimal"):
        texts = [format(value, "f").lstrip("-").partition(".") for value in present]
        scale = max(len(behind) for _, _, behind in texts)
        return "decimal128(%d, %d)" % (max(len(before.lstrip("0")) for before, _, _ in texts) + scale, scale)
    return OWN_KIND.get(kind, kind)


def settled(pieces):
    kinds = {said_kind(column) for column, _ in pieces if column is not None} - {None}
    present = [value for column, _ in pieces if column is not None for value in column.values if value is not None]
    kind = settle_kinds(kinds, [value for value in present if type(value) is int])
    values = []
    for column, rows in pieces:
        if column is None:
            values += [None] * rows
        else:
            values += [None if value is None else cell(value, said_kind(column), kind) for value in column.values]
    return kind, values


def settle_kinds(kinds, integers):
    narrow_kinds = {"int8", "int16", "int32", "uint8", "uint16"}
    low, high = min(integers, default=0), max(integers, default=0)
    if not kinds:
        return pa.string()
    if kinds <= narrow_kinds:
        return pa.int32()
    if kinds <= set(INTEGERS):
        if "uint64" in kinds and low >= 0:
            return pa.uint64()
        return pa.int64() if high < 2 ** 63 else pa.decimal128(20, 0)
    if kinds == {"float32"}:
        return pa.float32()
    if kinds <= set(INTEGERS) | {"float32", "float64"} and max(-low, high) <= 2 ** 53:
        return pa.float64()
    if all(kind.startswith("decimal") for kind in kinds):
        types = [arrow_type(kind) for kind in kinds]
        scale = max(kind.scale for kind in types)
        digits = max(kind.precision - kind.scale for kind in types) + scale
        return pa.decimal128(max(digits, 1), scale) if digits <= 38 else pa.string()
    if all(kind.startswith("timestamp") for kind in kinds):
        types = [arrow_type(kind) for kind in kinds]
        return pa.timestamp(max((kind.unit for kind in types), key=UNITS.get), types[0].tz)
    return arrow_type(kinds.pop()) if len(kinds) == 1 and "nested" not in kinds else pa.string()


def cell(value, said, kind):
    """A value as the result must have it; times as whole numbers."""
    if pa.types.is_string(kind) and said != "string":
        if isinstance(value, float) and value - value != 0:
            return None
        value = format(value, "f") if isinstance(value, decimal.Decimal) else value
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if pa.types.is_timestamp(kind):
        return value * (UNITS[kind.unit] // UNITS[arrow_type(said).unit])
    if pa.types.is_floating(kind):
        return float(value)
    return decimal.Decimal(value) if pa.types.is_decimal(kind) else value


def read(column):
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return column.to_pylist()


def same(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return repr(a) == repr(b)
    return type(a) is type(b) and a == b


def batches_of(seed, case):
    rng = random.Random("%s/%s" % (seed, case))
    names = rng.sample(NAMES, rng.randint(1, 5))
    families = {name: rng.choice(list(FAMILIES)) for name in names}
    return [Batch(rng, families, names) for _ in range(rng.randint(1, 6))]


def make(seed, cases, folder):
    rows_format = format_of({"action": "append_row", "format": "parquet"})
    for case in range(cases):
        os.makedirs("%s/%d" % (folder, case))
        for index, batch in enumerate(batches_of(seed, case)):
            encoded = encode(batch.returned(), rows_format, "%s/%d/%d.part" % (folder, case, index))
            assert encoded.part is None and encoded.k == batch.rows
            with open("%s/%d/%d.%d.rows" % (folder, case, index, batch.rows), "wb") as file:
                file.write(encoded.body)


def check(seed, cases, folder):
    for case in range(cases):
        table = pq.read_table("%s/%d/result.parquet" % (folder, case))
        batches = batches_of(seed, case)
        wanted = expected([batch for batch in batches if batch.rows or batch.library != "dicts"])
        fault = difference(table, wanted, batches)
        if fault:
            print("seed %s case %d: %s" % (seed, case, fault))
            sys.exit(1)


def difference(table, wanted, batches):
    if not wanted:
        wanted = {"value": (pa.string(), [])}
    if table.column_names != list(wanted):
        return "columns %r, not %r" % (table.column_names, list(wanted))
    for name, (kind, values) in wanted.items():
        column = table.column(name)
        if column.type != kind:
            return "column %r is %s, not %s" % (name, column.type, kind)
        kinds = {said_kind(b.columns[name]) for b in batches if name in b.columns} - {None}
        if pa.types.is_string(kind) and "string" in kinds and len(kinds) > 1:
            values = mixed_texts(name, batches)
        got = read(column)
        if len(got) != len(values):
            return "column %r has %d rows, not %d" % (name, len(got), len(values))
        for row, (a, b) in enumerate(zip(got, values)):
            if not same(a, b):
                return "column %r row %d is %r, not %r" % (name, row, a, b)
    return None


def mixed_texts(name, batches):
    values = []
    for batch in batches:
        column = batch.columns.get(name)
        cells = column.values if column is not None else [None] * batch.rows
        values += [None if v is None else json.dumps(v, ensure_ascii=False, separators=(",", ":")) for v in cells]
    return values


if __name__ == "__main__":
    command, seed, cases, folder = sys.argv[1:]
    {"make": make, "check": check}[command](seed, int(cases), folder)
