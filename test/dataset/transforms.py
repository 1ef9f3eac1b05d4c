"""
Random tables, random transformations of an MLTable, and what is left of the rows by a plain reading of what each of them
says, against what both worker hosts make of the mini-batches.

    transforms.py make SEED CASES FOLDER     writes FOLDER/<case>/: table/ with its MLTable, job.yml, wrong.json
    transforms.py check SEED CASES FOLDER    FOLDER/<case>/cut.json: columns and slices, with the rows of the Node host
"""
import csv
import datetime
import io
import json
import os
import random
import sys

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from slices import HAND_OVERS, columns_of, unmarked  # noqa: E402
from parallelrun_host.tables import Tables  # noqa: E402

DAY = datetime.datetime(2024, 1, 30)
#: name -> (kind, share of missing values)
COLUMNS = {"id": ("int", 0), "n": ("int", 0), "g": ("int", 0.3), "f": ("float", 0.2), "t": ("text", 0.2), "e": ("text", 0),
           "b": ("bool", 0), "h": ("bool", 0.3), "z": ("code", 0), "d": ("day", 0.2)}
TEXTS = ["a", "b", "B", "two words", 'q"q', "a,b", "line\nbreak", "\u00fc", "true"]


def value_of(rng, kind):
    return {
        "int": lambda: rng.randint(-3, 12),
        "float": lambda: rng.choice([0.5, -1.25, 2.0, 1e-7, 1e20, 3.75]),
        "text": lambda: rng.choice(TEXTS),
        "bool": lambda: rng.random() < 0.5,
        "code": lambda: "%03d" % rng.randint(0, 12),
        "day": lambda: DAY + datetime.timedelta(rng.randint(0, 4)),
    }[kind]()


class Column:
    """What is known of a column where a step stands. `text`: how its values were written, of CSV."""

    def __init__(self, name, kind, gaps, of_path=False):
        self.name, self.kind, self.gaps, self.of_path, self.is_converted = name, kind, gaps, of_path, False


class Case:
    def __init__(self, seed, number):
        self.rng = rng = random.Random("%s/%s" % (seed, number))
        self.format = rng.choice(["csv", "jsonl", "parquet"])
        self.by = rng.choice([{"mini_batch_rows": rng.randint(1, 9)}, {"mini_batch_size": "1kb"}, {"partition_keys": None}])
        self.keys = []
        names = ["id"] + rng.sample(list(COLUMNS)[1:], rng.randint(2, len(COLUMNS) - 1))
        self.order = self.original = [name for name in COLUMNS if name in names]
        self.columns = [Column(name, *COLUMNS[name]) for name in self.original]
        self.empty = self.format == "csv" and rng.random() < 0.3
        self.files, rows = [], []
        for store in range(rng.randint(1, 3)):
            for day in range(rng.randint(1, 2)):
                place = "s%d/2024-01-%02d" % (store, 30 + day)
                here = [self._row(place, len(rows) + i) for i in range(rng.choice([1, 3, 8, 20]))]
                self.files.append((place, here))
                rows += here
        for column in self.columns:
            # a column that happens to have no value, or no gap, is one of another type
            if all(row[column.name] is None for row in rows):
                rows[0][column.name] = value_of(rng, column.kind)
            column.gaps = any(row[column.name] is None for row in rows)
            if column.kind == "text" and all(row[column.name] in (None, "", "true") for row in rows):
                next(row for row in rows if row[column.name] is not None)[column.name] = "a"
        self.rows = [dict(row) for row in rows]
        self._written()
        # As the file has them: a number with gaps, and a day, are something else in some formats.
        for column in self.columns:
            if column.kind == "int" and column.gaps and self.format != "parquet":
                column.kind = "float"
            if column.kind == "code":
                column.kind = "int" if self.format == "csv" else "text"
            if column.kind == "day":
                column.kind = "stamp" if self.format == "parquet" else "text"
            for row in self.rows:
                row[column.name] = self._as_read(row[column.name], column)
        if "partition_keys" in self.by:
            able = [c.name for c in self.columns if c.kind in ("int", "text") and not (c.gaps and c.kind == "int") and c.name != "id"]
            self.keys = rng.sample(able + ["store"], rng.randint(1, min(2, len(able) + 1)))
        self.wrong, self.is_extracted = None, False
        self._make_steps()

    def _row(self, place, number):
        row = {"_at": place}
        for name in COLUMNS:
            kind, gaps = COLUMNS[name]
            row[name] = number if name == "id" else None if self.rng.random() < gaps else value_of(self.rng, kind)
        if self.empty and self.rng.random() < 0.3:
            row["e"] = ""
        return row

    def _written(self):
        """The text of each value of CSV, and of JSON the value."""
        for row in self.rows:
            row["_raw"] = {c.name: self._raw(row[c.name], c.kind) for c in self.columns}

    def _raw(self, value, kind):
        if value is None:
            return None
        if kind == "day":
            return value.strftime("%Y-%m-%d")
        return repr(value) if self.format == "csv" and not isinstance(value, str) else value

    def _as_read(self, value, column):
        """By the type of its column in this format."""
        if value is None:
            return None
        if column.kind == "float":
            return float(value)
        if column.kind == "int":
            return int(value)
        if column.kind == "text" and isinstance(value, datetime.datetime):
            return value.strftime("%Y-%m-%d")
        return value

    # -- steps, each carried out as it is written ------------------------------------------------------------------

    def _make_steps(self):
        rng = self.rng
        reader = {"csv": "read_delimited", "jsonl": "read_json_lines", "parquet": "read_parquet"}[self.format]
        options = {}
        if self.empty:
            options["empty_as_string"] = True
        if not self.keys and rng.random() < 0.4:
            options["include_path_column"] = True
        self.lines = [json.dumps({reader: options})]
        if options.get("include_path_column"):
            self._add("Path", "text")
        extract_at = rng.randint(0, 3) if rng.random() < 0.5 or "store" in self.keys else None
        for at in range(rng.randint(1, 6)):
            if at == extract_at:
                self._extract()
                extract_at = None
            if self.wrong is None:
                rng.choice([self._filter, self._filter, self._skip, self._take, self._drop, self._keep, self._convert, self._convert])()
        if extract_at is not None and self.wrong is None:
            self._extract()

    def _add(self, name, kind):
        self.columns = self.columns + [Column(name, kind, False, True)]
        self.order = self.order + [name]

    def _line(self, step):
        self.lines.append(json.dumps(step))

    def _missing(self, step):
        """Sometimes a step names what isn't there (any more)."""
        # by keys what paths name beside them is there for steps, though not for the script
        names = list(COLUMNS) + ["store"] * (not self.is_extracted)
        gone = [name for name in names if all(c.name != name for c in self.columns)]
        if not gone or self.rng.random() > 0.04:
            return False
        self._line(step(self.rng.choice(gone)))
        self.wrong = len(self.lines)
        return True

    def _extract(self):
        timed, self.is_extracted = self.rng.random() < 0.5, True
        day = "day:yyyy-MM-dd" if timed else "day"
        self._line({"extract_columns_from_partition_format": {"partition_format": "/{store}/{%s}.%s" % (day, self.format)}})
        for name, kind in (("store", "text"), ("day", "stamp" if timed else "text")):
            if not self.keys or name in self.keys:
                self._add(name, kind)
                for row in self.rows:
                    text = row["_at"].split("/")[name == "day"]
                    row[name] = datetime.datetime.strptime(text, "%Y-%m-%d") if kind == "stamp" else text

    def _drop(self):
        if self._missing(lambda name: {"drop_columns": [name]}):
            return
        able = [c for c in self.columns if c.name not in self.keys + ["id"]]
        gone = self.rng.sample(able, min(len(able), self.rng.randint(1, 2)))
        if gone:
            self._line({"drop_columns": [c.name for c in gone] if len(gone) > 1 else gone[0].name})
            self.columns = [c for c in self.columns if c not in gone]

    def _keep(self):
        if self._missing(lambda name: {"keep_columns": ["id", name]}):
            return
        kept = [c for c in self.columns if c.name in self.keys + ["id"] or self.rng.random() < 0.7]
        names = [c.name for c in kept]
        self.rng.shuffle(names)
        self._line({"keep_columns": names})
        self.columns = kept

    def _skip(self):
        count = self.rng.choice([0, 1, 2, 5])
        self._line({"skip": count})
        self.rows = self.rows[count:]

    def _take(self):
        count = self.rng.choice([1, 5, 10, 30, 100])
        self._line({"take": count})
        self.rows = self.rows[:count]

    def _convert(self):
        if self._missing(lambda name: {"convert_column_types": [{"columns": [name], "column_type": "string"}]}):
            return
        able = [c for c in self.columns if not c.is_converted and c.name not in self.keys + ["id"] and c.name != "Path"]
        if not able:
            return
        column = self.rng.choice(able)
        ways = [("string", "text", self._to_text)]
        if column.name in ("z", "g", "n") or (column.kind == "bool" and self.format != "csv"):
            ways += [("int", "int", int), ("float", "float", float)]
        if column.kind == "float":
            ways += [("float", "float", float)]
        if column.kind == "bool":
            ways += [("boolean", "bool", bool)]
        if column.name == "t":
            ways += [({"boolean": {"true_values": ["a"], "false_values": ["b", "B"], "mismatch_as": "false"}}, "bool",
                      lambda value: value == "a")]
        if column.name in ("d", "day"):
            ways += [("datetime", "stamp", to_time)]
            if column.kind == "text":
                ways += [({"datetime": {"formats": ["%d/%m/%y", "%Y-%m-%d"]}}, "stamp", to_time)]
        to, kind, function = self.rng.choice(ways)
        self._line({"convert_column_types": [{"columns": [column.name] if self.rng.random() < 0.5 else column.name, "column_type": to}]})
        for row in self.rows:
            value = row[column.name]
            if kind == "text" and self.format == "csv" and not column.of_path:
                row[column.name] = row["_raw"][column.name] or (value if value == "" else None)
            elif value is not None:
                row[column.name] = function(value)
        column.kind, column.is_converted = kind, True

    @staticmethod
    def _to_text(value):
        return value.isoformat() if isinstance(value, datetime.datetime) else str(value)

    def _filter(self):
        if self._missing(lambda name: {"filter": 'col("%s") == 1' % name}):
            return
        text, test = self._condition(self.rng.choice([0, 0, 1, 2]))
        self._line({"filter": text})
        self.rows = [row for row in self.rows if test(row)]

    def _condition(self, depth):
        rng = self.rng
        if depth > 0:
            (one, first), (other, second) = self._condition(depth - 1), self._condition(depth - 1)
            sign, both = rng.choice([("and", True), ("&", True), ("or", False), ("||", False)])
            if both:
                return "(%s) %s (%s)" % (one, sign, other), lambda row: first(row) and second(row)
            return "(%s) %s (%s)" % (one, sign, other), lambda row: first(row) or second(row)
        if rng.random() < 0.15:
            text, test = self._condition(0)
            return "%s (%s)" % (rng.choice(["not", "~", "!"]), text), lambda row: not test(row)
        column = rng.choice([c for c in self.columns if c.name != "Path"])
        name = column.name
        col = rng.choice(['col("%s")', "col('%s')"]) % name
        if rng.random() < 0.2:
            is_null = rng.random() < 0.5
            written = rng.choice([".is_null()", " == null"] if is_null else [".is_not_null()", " != None"])
            return col + written, lambda row: (row[name] is None) == is_null
        others = [c for c in self.columns if c is not column and same_kind(c.kind, column.kind)]
        if column.kind == "bool":
            wanted = rng.random() < 0.5
            if wanted and rng.random() < 0.5:
                return col, lambda row: row[name] is True
            return "%s == %s" % (col, rng.choice(["true", "True"] if wanted else ["false"])), lambda row: row[name] is wanted
        sign = rng.choice(["==", "!=", "<", "<=", ">", ">="])
        compare = {"==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
                   ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}[sign]
        if others and rng.random() < 0.3:
            other = rng.choice(others).name
            if other != "Path":
                return '%s %s col("%s")' % (col, sign, other), lambda row: (
                    row[name] is not None and row[other] is not None and compare(row[name], row[other]))
        literal, value = {
            "int": lambda: (lambda n: (str(n), n))(rng.randint(-3, 20)),
            "float": lambda: (lambda n: (repr(n), n))(rng.choice([0.5, 2, -1, 1e20, 1e-7])),
            "text": lambda: (lambda t: (json.dumps(t, ensure_ascii=False).replace("\\n", "\n"), t))(
                rng.choice(TEXTS + ["2024-01-31", "s1", "007", "7", "True", ""])),
            "stamp": lambda: (lambda t: ('"%s"' % rng.choice([t.strftime("%Y-%m-%d"), t.isoformat()]), t))(
                DAY + datetime.timedelta(rng.randint(0, 4))),
        }[column.kind]()
        if rng.random() < 0.15:
            return "%s %s %s" % (literal, sign, col), lambda row: row[name] is not None and compare(value, row[name])
        return "%s %s %s" % (col, sign, literal), lambda row: row[name] is not None and compare(row[name], value)

    # -- files -----------------------------------------------------------------------------------------------------

    def write(self, folder):
        rng = random.Random(str(self.rng.random()))
        kept = self.original
        for place, rows in self.files:
            path = "%s/table/%s.%s" % (folder, place, self.format)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if self.format == "parquet":
                kinds = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "day": pa.timestamp("us")}
                arrays = [pa.array([row[n] for row in rows], kinds.get(COLUMNS[n][0], pa.string())) for n in kept]
                pq.write_table(pa.table(arrays, names=kept), path, row_group_size=rng.choice([2, 100]))
                continue
            with open(path, "w", newline="") as file:
                if self.format == "jsonl":
                    file.writelines(json.dumps({n: self._raw(row[n], COLUMNS[n][0]) for n in kept}) + "\n" for row in rows)
                    continue
                text = io.StringIO(newline="")
                writer = csv.writer(text, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
                writer.writerow(kept)
                writer.writerows([self._csv(row[n], COLUMNS[n][0], rng) for n in kept] for row in rows)
                file.write(text.getvalue())
        with open(folder + "/table/MLTable", "w") as file:
            file.write("paths: [ { pattern: ./**/*.%s } ]\ntransformations:\n" % self.format)
            file.writelines("  - %s\n" % line for line in self.lines)
        by = {"partition_keys": self.keys} if self.keys else self.by
        with open(folder + "/job.yml", "w") as file:
            json.dump({"type": "pipeline", "jobs": {"a": dict(
                by, type="parallel", inputs={"data": {"type": "mltable", "path": "./table"}},
                input_data="${{inputs.data}}", task={"code": ".", "entry_script": "score.py"})}}, file)
        with open(folder + "/score.py", "w") as file:
            file.write("def run(batch): return batch\n")
        with open(folder + "/wrong.json", "w") as file:
            json.dump(None if self.wrong is None else self.wrong + 2, file)

    def _csv(self, value, kind, rng):
        if value is None:
            return "NA" if self.empty and kind in ("text", "day") else rng.choice(["", "NA"])
        return self._raw(value, kind)


def same_kind(one, other):
    return one == other or {one, other} == {"int", "float"}


def to_time(value):
    return value if isinstance(value, datetime.datetime) else datetime.datetime.strptime(value, "%Y-%m-%d")


# -- what both hosts made of it ----------------------------------------------------------------------------------


def parts_of(case):
    """The rows of the mini-batches of each combination of partition keys; without keys all in one."""
    groups = {}
    for row in case.rows:
        groups.setdefault(tuple(row[key] for key in case.keys), []).append(row)
    return list(groups.values())


def check_case(case, folder):
    with open(folder + "/cut.json") as file:
        cut = json.load(file)
    schema = [column for column in cut["schema"] if not column.get("hidden")]
    names = [column.name for column in case.columns]
    order = [name for name in case.order if name in names]
    if [column["name"] for column in schema] != order:
        return "columns %r, not %r" % ([column["name"] for column in schema], order)
    parts = parts_of(case)
    wanted = [row for part in parts for row in part]
    sizes = [source["rows"] for source in cut["sources"]]
    if case.keys and sizes != [len(part) for part in parts]:
        return "mini-batches of %r rows, not %r" % (sizes, [len(part) for part in parts])
    most = case.by.get("mini_batch_rows")
    if most:
        expected, here = [], {}
        for row in case.rows:
            here[row["_at"]] = here.get(row["_at"], 0) + 1
        for rows in here.values():
            expected += [most] * (rows // most) + ([rows % most] if rows % most else [])
        if sizes != expected:
            return "mini-batches of %r rows, not %r" % (sizes, expected)
    tables = cut["tables"]
    read = {"node": {name: [unmarked(row[at]) for row in cut["rows"]] for at, name in enumerate(order)}}
    for hand_over in HAND_OVERS:
        reader = Tables(tables, hand_over)
        found = []
        for source in cut["sources"]:
            found.append(columns_of(reader.read(source), hand_over, schema))
            half = source["rows"] // 2
            if half:
                halves = [columns_of(reader.read_part(source, *part), hand_over, schema)[0]
                          for part in ((0, half), (half, source["rows"]))]
                if {n: halves[0][n] + halves[1][n] for n in order} != found[-1][0]:
                    return "%s: halves of %r are not the whole" % (hand_over, source)
        if len({str(types) for _, types in found}) > 1:
            return "%s has other types in other slices: %r" % (hand_over, {str(types) for _, types in found})
        read[hand_over] = {name: [value for values, _ in found for value in values[name]] for name in order}
    for reader, values in read.items():
        for name in order:
            kind = next(c.kind for c in case.columns if c.name == name)
            right = [value_in(row, name, folder, case) for row in wanted]
            if reader == "node":
                right = [as_node(value) for value in right]
            if [shown(v) for v in values[name]] != [shown(v) for v in right]:
                return "%s, column %r (%s): %r, not %r" % (reader, name, kind, values[name], right)
    return None


def value_in(row, name, folder, case):
    return "%s/table/%s.%s" % (folder, row["_at"], case.format) if name == "Path" else row[name]


def shown(value):
    """1 and 1.0 are equal, True and 1 are not."""
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    if hasattr(value, "tolist"):
        value = value.tolist()
    return (isinstance(value, bool), value)


def as_node(value):
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=datetime.timezone.utc).timestamp()
    return value


def main(command, seed, cases, folder):
    for number in range(int(cases)):
        case = Case(seed, number)
        if command == "make":
            case.write("%s/%d" % (folder, number))
            continue
        fault = None if case.wrong is not None else check_case(case, os.path.realpath("%s/%d" % (folder, number)))
        if fault:
            print("seed %s case %d (%s, %s%s):\n  %s\n%s" % (
                seed, number, case.format, case.by, case.keys, "\n  ".join(case.lines), fault))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
