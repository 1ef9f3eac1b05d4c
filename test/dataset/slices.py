"""
Random tables, and what a reader that sees each of them whole makes of it, against what both worker hosts make of slices.

    slices.py make SEED CASES FOLDER      writes FOLDER/<case>/data/..., spec.json: how the table is read
    slices.py check SEED CASES FOLDER     FOLDER/<case>/<n>.cut.json: schema and slices of one way to cut it, with the rows
                                          that the Node host read

The reference of CSV is pandas on the same fields written plainly into one file, of JSON Lines json.loads, of Parquet pyarrow.
"""
import csv
import datetime
import decimal
import glob
import gzip
import json
import math
import os
import random
import sys

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
from parallelrun_host.tables import Tables  # noqa: E402
from parallelrun_host.textvalues import MISSING  # noqa: E402

HAND_OVERS = ("pandas", "pyarrow", "polars", "list")
COMPRESSIONS = ("none", "snappy", "gzip", "zstd", "brotli", "lz4")
TEXTS = ["x", "two words", "a,b", "a;b", "tab\there", 'q"q', "'", "line\nbreak", "#hash", "\u00fc\u00e9", "back\\slash", "NA",
         "", " lead", "1", "true", "x\u00a0y"]


KINDS = ("int", "int gaps", "float", "bool", "bool gaps", "text", "empty", "vary")


def column_values(rng, rows, kind):
    """Texts of the fields of a column."""
    one = {
        "int": lambda: str(rng.randint(-10 ** 6, 10 ** 6)),
        "int gaps": lambda: rng.choice(["", "NA", str(rng.randint(0, 99))]),
        "float": lambda: rng.choice([repr(round(rng.uniform(-1e6, 1e6), 4)), "1e3", "-0.5", "nan", "inf"]),
        "bool": lambda: rng.choice(["True", "False"]),
        "bool gaps": lambda: rng.choice(["True", "False", ""]),
        "text": lambda: rng.choice(TEXTS),
        "unsigned": lambda: str(2 ** 63 + rng.randint(0, 99)),
        "empty": lambda: rng.choice(["", "null"]),
        "vary": lambda: rng.choice(["1", "1.5", "True", "x"]),
    }[kind]
    return [one() for _ in range(rows)]


class Case:
    """A table in one or several files. `by_name`: they differ in columns."""

    def __init__(self, seed, number):
        self.rng = rng = random.Random("%s/%s" % (seed, number))
        self.format = rng.choice(["csv", "csv", "csv", "jsonl", "parquet"])
        self.by_name = rng.random() < 0.4
        self.names = ["a", "b", "c d", "e"][:rng.randint(1, 4)]
        self.packing = rng.choice(["", "", ".gz", ".zst"]) if self.format != "parquet" else ""
        self.files = []
        for _ in range(rng.randint(1, 3)):
            names = list(self.names)
            if self.by_name and self.files:
                rng.shuffle(names)
                names = names[:rng.randint(1, len(names))] + rng.choice([[], ["new"]])
            self.files.append((names, rng.choice([1, 2, 7, 30])))
        self.spec = {"format": self.format}
        if self.by_name and self.format != "jsonl":
            self.spec["drift"] = "by_name"
        {"csv": self._csv, "jsonl": self._jsonl, "parquet": self._parquet}[self.format]()

    def all_names(self):
        return list(dict.fromkeys(name for names, _ in self.files for name in names))

    # -- contents ------------------------------------------------------------------------------------------------

    def _csv(self):
        rng, spec = self.rng, self.spec
        spec["delimiter"] = rng.choice([",", ";", "\t", "|"])
        spec["header"] = self.by_name or rng.random() < 0.8
        spec["quote"] = rng.choice(['"', '"', "'"])
        if rng.random() < 0.3:
            spec["escape"] = "\\"
        if rng.random() < 0.3:
            spec["comment"] = "#"
        encoding = rng.choice([None, None, None, "windows-1252", "utf-16le"])
        if encoding:
            spec["encoding"] = encoding
        line_end = rng.choice(["\n", "\r\n", "\r"])
        # whole numbers from 2^63 on beside anything else, or missing, keep pandas from knowing what is missing
        kinds = {name: rng.choice(KINDS + (() if self.by_name else ("unsigned",))) for name in self.names + ["new"]}
        self.tables = [
            [column_values(rng, rows, rng.choice(KINDS) if kinds[name] != "unsigned" and rng.random() < 0.2 else kinds[name])
             for name in names] for names, rows in self.files]
        self.contents = []
        for (names, rows), columns in zip(self.files, self.tables):
            lines = [self._line(names)] if spec["header"] else []
            for row in zip(*columns):
                if rng.random() < 0.05:
                    lines.append(rng.choice(["", "  "] + (["# a remark"] if "comment" in spec else [])))
                lines.append(self._line(row))
            text = line_end.join(lines) + rng.choice(["", line_end])
            mark = "\ufeff" if encoding is None and rng.random() < 0.2 else ""
            self.contents.append((mark + text).encode({"windows-1252": "cp1252", None: "utf-8"}.get(encoding, encoding)))
        if not spec["header"]:
            self.files = [(["Column%d" % (at + 1) for at in range(len(names))], rows) for names, rows in self.files]

    def _line(self, fields):
        return self.spec["delimiter"].join([self._field(field, len(fields)) for field in fields])

    def _field(self, text, fields):
        spec, rng = self.spec, self.rng
        quote, escape = spec["quote"], spec.get("escape")
        special = any(mark in text for mark in (spec["delimiter"], quote, "\n", "\r", spec.get("comment") or "\n"))
        if escape:
            text = text.replace(escape, escape * 2)
        if special or rng.random() < 0.1 or (fields == 1 and not text.strip()):
            doubled = text.replace(quote, (escape if escape and rng.random() < 0.5 else quote) + quote)
            return quote + doubled + quote
        return text

    def _jsonl(self):
        rng = self.rng
        kinds = {name: rng.choice(["int", "float", "bool", "text", "nested", "any"]) for name in self.names + ["new"]}
        gaps = {name: rng.choice([0, 0.3]) for name in kinds}
        one = {
            "int": lambda: rng.randint(-2 ** 40, 2 ** 40), "float": lambda: rng.choice([0.5, 1e300, -1.25]),
            "bool": lambda: rng.random() < 0.5, "text": lambda: rng.choice(TEXTS),
            "nested": lambda: rng.choice([[1, None], {"k": "v"}]), "any": lambda: rng.choice([1, "x", None, [2]]),
        }
        self.tables, self.contents = [], []
        for names, rows in self.files:
            objects = [{name: one[kinds[name]]() for name in names if rng.random() >= gaps[name]} for _ in range(rows)]
            self.tables.append(objects)
            lines = [json.dumps(row, ensure_ascii=rng.random() < 0.5) for row in objects]
            if rng.random() < 0.3:
                lines.insert(rng.randrange(len(lines)), "")
            self.contents.append("\n".join(lines).encode("utf-8") + rng.choice([b"", b"\n"]))

    def _parquet(self):
        rng = self.rng
        types = [pa.int32(), pa.int64(), pa.float64(), pa.bool_(), pa.string(), pa.date32(), pa.timestamp("us"),
                 pa.timestamp("ms", "UTC"), pa.decimal128(9, 2), pa.list_(pa.int64()), pa.struct([("k", pa.string())]),
                 pa.float32(), pa.int16()]
        wider = {pa.int16(): [pa.int32(), pa.int64()], pa.int32(): [pa.int64(), pa.float64()], pa.float32(): [pa.float64()],
                 pa.int64(): [pa.float64()], pa.timestamp("us"): [pa.timestamp("ns")]}
        base = {name: rng.choice(types) for name in self.names + ["new"]}
        self.tables = []
        for names, rows in self.files:
            arrays, fields = [], []
            for name in names:
                kind = base[name]
                if self.by_name and rng.random() < 0.3:
                    kind = rng.choice(wider.get(kind, [kind]))
                gaps = rng.choice([0, 0, 0.3])
                values = [None if rng.random() < gaps else arrow_value(rng, kind) for _ in range(rows)]
                arrays.append(pa.array(values, kind))
                fields.append(pa.field(name, kind, nullable=None in values or rng.random() < 0.7))
            self.tables.append(pa.table(arrays, schema=pa.schema(fields)))

    def write(self, folder):
        os.makedirs(folder + "/data")
        rng = random.Random(str(self.rng.random()))
        for number, table in enumerate(self.tables):
            path = "%s/data/%d.%s%s" % (folder, number, self.format, self.packing)
            if self.format == "parquet":
                pq.write_table(table, path, compression=rng.choice(COMPRESSIONS), row_group_size=rng.choice([1, 3, 10, 100]),
                               use_dictionary=rng.random() < 0.5, data_page_version=rng.choice(["1.0", "2.0"]))
                continue
            content = self.contents[number]
            if self.packing == ".gz":
                content = gzip.compress(content)
            elif self.packing == ".zst":
                content = pa.compress(content, "zstd", asbytes=True)
            with open(path, "wb") as file:
                file.write(content)
        with open(folder + "/spec.json", "w") as file:
            json.dump(self.spec, file)

    # -- what must come out --------------------------------------------------------------------------------------

    def reference(self, folder):
        """-> ({column: values}, pandas dtypes or None). None: missing."""
        if self.format == "csv":
            return self._csv_reference(folder)
        if self.format == "jsonl":
            rows = [row for objects in self.tables for row in objects]
            names = list(dict.fromkeys(name for row in rows for name in row))
            return {name: [row.get(name) for row in rows] for name in names}, None
        names = self.all_names()
        tables = []
        for table in self.tables:
            tables.append(pa.table([table.column(n) if n in table.column_names else pa.nulls(len(table)) for n in names],
                                   names=names))
        whole = pa.concat_tables(tables, promote_options="permissive")
        # of int32 and float pyarrow makes float, which doesn't hold all of them
        return {name: plain(whole.column(name).to_pylist()) for name in names}, None

    def _csv_reference(self, folder):
        names = self.all_names()
        with open(folder + "/plain.csv", "w", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writerow(names)
            for (own, rows), columns in zip(self.files, self.tables):
                fields = dict(zip(own, columns))
                writer.writerows(zip(*[fields.get(name, [""] * rows) for name in names]))
        frame = pd.read_csv(folder + "/plain.csv", keep_default_na=False, na_values=list(MISSING), low_memory=False)
        return {name: plain(frame[name].tolist()) for name in names}, [str(kind) for kind in frame.dtypes]


def arrow_value(rng, kind):
    if pa.types.is_integer(kind):
        return rng.randint(-99, 99)
    if pa.types.is_floating(kind):
        return rng.choice([0.5, -1.25, 1024.0])
    if pa.types.is_boolean(kind):
        return rng.random() < 0.5
    if pa.types.is_string(kind):
        return rng.choice(TEXTS)
    if pa.types.is_date(kind):
        return datetime.date(2020, 1, 1) + datetime.timedelta(rng.randrange(999))
    if pa.types.is_timestamp(kind):
        zone = datetime.timezone.utc if kind.tz else None
        return datetime.datetime(2020, 1, 1, tzinfo=zone) + datetime.timedelta(milliseconds=rng.randrange(10 ** 9))
    if pa.types.is_decimal(kind):
        return decimal.Decimal(rng.randrange(-999, 999)).scaleb(-2)
    return [rng.randrange(9)] if pa.types.is_list(kind) else {"k": rng.choice(TEXTS)}


def plain(values):
    return [None if value is pd.NaT or isinstance(value, float) and math.isnan(value) else value for value in values]


# -- what the hosts make of the slices ---------------------------------------------------------------------------


def columns_of(batch, hand_over, schema):
    """-> ({column: values}, types of the columns), from what `run()` gets."""
    names = [column["name"] for column in schema]
    if hand_over == "list":
        assert all(list(row) == names for row in batch), batch[:1]
        return {name: [row[name] for row in batch] for name in names}, None
    if hand_over == "pandas":
        values = {name: plain(batch[name].tolist()) for name in names}
        types = [str(kind) for kind in batch.dtypes]
        assert list(batch.columns) == names and list(batch.index) == list(range(len(batch)))
    elif hand_over == "pyarrow":
        values, types = {name: plain(batch.column(name).to_pylist()) for name in names}, [str(t) for t in batch.schema.types]
    else:
        values, types = {name: plain(batch[name].to_list()) for name in names}, [str(t) for t in batch.dtypes]
    return values, types


def same(found, wanted, kind):
    """`kind`: type of the column in the schema."""
    if kind == "json" and isinstance(found, str) and not isinstance(wanted, str):
        return json.loads(found) == wanted
    if kind == "json" and isinstance(found, str):
        return found in (wanted, json.dumps(wanted, ensure_ascii=False))
    if hasattr(found, "to_pydatetime"):
        found = found.to_pydatetime()
    if hasattr(found, "tolist"):
        found = found.tolist()
    if isinstance(wanted, float) and abs(wanted) > 1e15 and isinstance(found, (int, float)):
        return math.isclose(found, wanted, rel_tol=1e-15)  # pandas takes the last digit as it comes
    return found == wanted


def check_case(case, folder):
    wanted, dtypes = case.reference(folder)
    rows = len(next(iter(wanted.values()), []))
    for path in sorted(glob.glob(folder + "/*.cut.json")):
        with open(path) as file:
            cut = json.load(file)
        schema = cut["schema"]
        kinds = {column["name"]: column["type"] for column in schema}
        if list(kinds) != list(wanted):
            return "%s: columns %r, not %r" % (path, list(kinds), list(wanted))
        table = {key: value for key, value in case.spec.items() if key not in ("header", "drift")}
        read = {"node": {name: [unmarked(row[at]) for row in cut["rows"]] for at, name in enumerate(kinds)}}
        for hand_over in HAND_OVERS:
            tables = Tables([dict(table, schema={"columns": schema})], hand_over)
            parts = [columns_of(tables.read(source), hand_over, schema) for source in cut["sources"]]
            if len({str(types) for _, types in parts}) > 1:
                return "%s: %s has other types in other slices: %r" % (path, hand_over, {str(types) for _, types in parts})
            if hand_over == "pandas" and dtypes is not None and parts[0][1] != dtypes:
                return "%s: pandas has the types %r, not %r" % (path, parts[0][1], dtypes)
            read[hand_over] = {name: [value for values, _ in parts for value in values[name]] for name in kinds}
        for reader, values in read.items():
            for name, cells in values.items():
                if len(cells) != rows:
                    return "%s: %s has %d rows, not %d" % (path, reader, len(cells), rows)
                for row, (found, right) in enumerate(zip(cells, wanted[name])):
                    if reader == "node":
                        if isinstance(right, decimal.Decimal) and math.isclose(found, right):
                            continue  # a number there, not to the last digit
                        right = as_json(right)
                    if not same(found, right, kinds[name]):
                        return "%s: %s, column %r row %d: %r, not %r" % (path, reader, name, row, found, right)
    return None


def unmarked(cell):
    """Whole numbers beyond 2^53 come as texts, marked."""
    if isinstance(cell, list):
        return [unmarked(value) for value in cell]
    return int(cell["digits"]) if isinstance(cell, dict) and set(cell) == {"digits"} else cell


def as_json(value):
    """As the test writes what the Node host has."""
    if isinstance(value, datetime.datetime):
        return (value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)).timestamp()
    if isinstance(value, datetime.date):
        return float((value - datetime.date(1970, 1, 1)).days * 86400)
    return "inf" if value == float("inf") else "-inf" if value == float("-inf") else value


def main(command, seed, cases, folder):
    for number in range(int(cases)):
        case = Case(seed, number)
        if command == "make":
            case.write("%s/%d" % (folder, number))
            continue
        fault = check_case(case, "%s/%d" % (folder, number))
        if fault:
            print("seed %s case %d (%s): %s" % (seed, number, json.dumps(case.spec), fault))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
