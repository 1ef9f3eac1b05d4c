"""Parquet and Arrow files: slices by the numbers of rows, in the types of the whole."""
import datetime
import decimal
import os
import random
import unittest

from parallelrun_host.columnar import _OPEN_FILES_MAX
from parallelrun_host.minibatch import InputError

from .rig import have
from .tablerig import HAND_OVERS, TableTest, read_without, table, types_of, values_of

FORMATS = ("parquet", "arrow")
NEEDED = all(map(have, ("pyarrow", "pandas", "polars")))


def columns(arrow, chooser, rows, gaps):
    """Columns of all kinds; with `gaps` some values are missing, but none in the first rows."""
    def of(kind, *choices):
        return arrow.array([None if gaps and row > rows // 2 and chooser.random() < 0.3 else chooser.choice(choices)
                            for row in range(rows)], kind)

    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901)
    return {
        "int": of(arrow.int64(), 0, -5, 2 ** 53 + 1), "short": of(arrow.uint8(), 1, 255),
        "big": of(arrow.uint64(), 2 ** 64 - 1), "float": of(arrow.float64(), 0.1, float("inf")),
        "thin": of(arrow.float32(), 0.1, 3.0), "ok": of(arrow.bool_(), True, False),
        "text": of(arrow.string(), "", "ü", "NA"), "bytes": of(arrow.binary(), b"", b"\xff"),
        "time": of(arrow.timestamp("us"), moment), "nanos": of(arrow.timestamp("ns"), moment),
        "zone": of(arrow.timestamp("us", "Europe/Berlin"), moment), "day": of(arrow.date32(), moment.date()),
        "span": of(arrow.duration("ms"), datetime.timedelta(seconds=90)),
        "money": of(arrow.decimal128(10, 2), decimal.Decimal("1.50"), decimal.Decimal("-3.25")),
        "list": of(arrow.list_(arrow.int64()), [], [1, 2]), "struct": of(arrow.struct([("a", arrow.int64())]), {"a": 1}),
        "kind": of(arrow.string(), "x", "y", "z").dictionary_encode(),
    }


@unittest.skipUnless(NEEDED, "pyarrow, pandas or polars is not installed for this Python")
class Columnar(TableTest):
    def setUp(self):
        super().setUp()
        import pandas
        import pyarrow
        import pyarrow.parquet

        self.pd, self.pa, self.pq = pandas, pyarrow, pyarrow.parquet

    def save(self, content, format, part, name="a"):
        """Writes a pyarrow Table in parts of so many rows. -> path"""
        path = os.path.join(self.folder, name + "." + format)
        if format == "parquet":
            self.pq.write_table(content, path, row_group_size=part)
        else:
            options = self.pa.ipc.IpcWriteOptions(compression=(None, "lz4", "zstd")[part % 3], unify_dictionaries=True)
            with self.pa.OSFile(path, "wb") as file, self.pa.ipc.new_file(file, content.schema, options=options) as writer:
                writer.write_table(content, part)
        return path

    def schema_of(self, content):
        return [{"name": name, "type": "native", "missing": content[name].null_count > 0} for name in content.column_names]

    def whole(self, content):
        """What pandas reads of all of it, categories as their values."""
        frame = content.to_pandas()
        frame["kind"] = frame["kind"].astype(frame["text"].dtype)
        return frame

    def test_union_of_slices_is_the_whole(self):
        chooser = random.Random(31)
        rounds, jobs = [], []
        for number in range(12):
            rows = chooser.randint(1, 60)
            content = self.pa.table(columns(self.pa, chooser, rows, gaps=number % 3 > 0))
            for format in FORMATS:
                path = self.save(content, format, chooser.randint(1, 20), "a%d" % number)
                for hand_over in HAND_OVERS:
                    job = ([table(self.schema_of(content), format)], hand_over, self.pieces(path, rows, chooser))
                    with self.subTest(round=number, format=format, hand_over=hand_over):
                        self.check(content, hand_over, self.read(*job), format)
                    if hand_over != "pyarrow":
                        rounds.append((number, format, hand_over, content))
                        jobs.append(job)
        for (number, format, hand_over, content), batches in zip(rounds, read_without(["pyarrow"], jobs)):
            with self.subTest("by polars", round=number, format=format, hand_over=hand_over):
                self.check(content, hand_over, batches, format)

    def pieces(self, path, rows, chooser):
        """Sources, some of them in two parts, which hold all rows. -> (source, part)"""
        pieces = []
        at = 0
        while at < rows:
            end = min(rows, at + chooser.randint(1, 15))
            source = self.source(path, at, end, end - at, at)
            middle = chooser.randint(1, end - at)
            if middle == end - at:
                pieces.append((source, None))
            else:
                pieces += [(source, (0, middle)), (source, (middle, end - at))]
            at = end
        return pieces

    def read(self, tables, hand_over, pieces):
        tables = self.tables(*tables, hand_over=hand_over)
        batches = [tables.read(source) if part is None else tables.read_part(source, *part) for source, part in pieces]
        return batches if hand_over == "pandas" else [(types_of(batch), values_of(batch)) for batch in batches]

    def check(self, content, hand_over, batches, format):
        if hand_over == "pandas":
            whole = self.whole(content)
            for batch in batches:
                self.assertEqual(types_of(batch), types_of(whole))
                self.assertTrue(repr(batch.index).startswith("RangeIndex(start=0"))
            joined = self.pd.concat(batches, ignore_index=True)
            self.pd.testing.assert_frame_equal(joined, whole, check_exact=True)
            return
        got = {name: [held for _, values in batches for held in values[name]] for name in content.column_names}
        expected = content.to_pydict()
        if hand_over in ("list", "polars"):  # there are no nanoseconds in Python
            expected["nanos"] = [held and held.to_pydatetime() for held in expected["nanos"]]
        for name, values in expected.items():
            self.assertEqual((name, got[name]), (name, values))
        for types, _ in batches:
            self.assertEqual(types, batches[0][0])
        if hand_over == "pyarrow":
            types = [str(field.type) for field in content.schema][:-1] + ["string"]
            if format == "parquet":  # its name for what is in a list
                types = [kind.replace("item", "element") for kind in types]
            self.assertEqual(batches[0][0], types)

    def test_columns_stand_in_the_order_of_the_schema_and_an_index_is_a_column(self):
        frame = self.pd.DataFrame({"b": [1, 2, 3], "a": ["x", "y", "z"]}, index=[7, 8, 9])
        path = os.path.join(self.folder, "a.parquet")
        frame.to_parquet(path, row_group_size=2, engine="pyarrow")
        schema = [{"name": name, "type": "native"} for name in ("a", "__index_level_0__", "b")]
        for hand_over in HAND_OVERS:
            batch = self.tables(table(schema, "parquet"), hand_over=hand_over).read(self.source(path, 1, 3, 2))
            self.assertEqual(list(values_of(batch).items()), [("a", ["y", "z"]), ("__index_level_0__", [8, 9]), ("b", [2, 3])])

    def test_a_frame_may_be_written_to(self):
        path = self.save(self.pa.table({"a": [1.5, 2.5, 3.5]}), "parquet", 3)
        tables = self.tables(table([{"name": "a", "type": "native"}], "parquet"))
        frame = tables.read(self.source(path, 0, 2, 2))
        frame.loc[0, "a"] = 9
        self.assertEqual(tables.read(self.source(path, 0, 2, 2))["a"].tolist(), [1.5, 2.5])

    def refused(self, format, path, end, schema, **more):
        tables = self.tables(table(schema, format))
        source = self.source(path, 0, end, end, 5, **more)
        with self.assertRaises(InputError) as caught:
            tables.read(source)
        return caught.exception

    def test_changed_files(self):
        a = {"name": "a", "type": "native"}
        for format in FORMATS:
            path = self.save(self.pa.table({"a": [1, 2]}), format, 1)
            for end, schema, reason in (
                (3, [a], "it has 2 rows, 3 were there when the mini-batches were made: the file was changed"),
                (2, [a, {"name": "b", "type": "native"}], "it has no column 'b': the file was changed"),
                (2, [], "it has the column 'a', which the table does not have: the file was changed"),
            ):
                error = self.refused(format, path, end, schema)
                self.assertEqual((error.path, error.reason), (path, reason))
            path = self.save(self.pa.table({"a": [1, None]}), format, 1)
            self.assertEqual(self.refused(format, path, 2, [a]).reason,
                             "column 'a' lacks values where none was missing before: the file was changed")
            self.assertEqual(self.refused(format, "/in/a.gz", 1, [a], data="/not/there").errno, "ENOENT")
            error = self.refused(format, self.write(b"no such format"), 1, [a])
            self.assertIn("cannot read rows 5 to 5: ArrowInvalid", error.reason)

    def test_a_file_that_is_written_anew_is_opened_anew(self):
        for format in FORMATS:
            tables = self.tables(table([{"name": "a", "type": "native"}], format), hand_over="list")
            for held in ([1, 2, 3], [7, 8, 9, 10]):
                source = self.source(self.save(self.pa.table({"a": held}), format, 2), 0, 1, 1)
                self.assertEqual(tables.read(source), [{"a": held[0]}])

    def test_few_files_stay_open(self):
        for format in FORMATS:
            tables = self.tables(table([{"name": "a", "type": "native"}], format), hand_over="list")
            before = len(os.listdir("/proc/self/fd"))
            for number in range(3 * _OPEN_FILES_MAX):
                path = self.save(self.pa.table({"a": [number, 5]}), format, 2, "f%d" % number)
                self.assertEqual(tables.read(self.source(path, 0, 1, 1)), [{"a": number}])
            self.assertLessEqual(len(os.listdir("/proc/self/fd")), before + 2 * _OPEN_FILES_MAX)

    def test_a_part_of_a_file_is_read_once_for_slices_in_a_row(self):
        for format in FORMATS:
            tables = self.tables(table([{"name": "a", "type": "native"}], format), hand_over="list")
            path = self.save(self.pa.table({"a": list(range(10))}), format, 5)
            loads = []
            for start in range(0, 10, 2):
                source = self.source(path, start, start + 2, 2)
                self.assertEqual([row["a"] for row in tables.read(source)], [start, start + 1])
                file = tables._tables[0]._file(source)
                if not loads:
                    load = file._load
                    file._load = lambda number: loads.append(number) or load(number)
                    loads.append(0)
            self.assertEqual(loads, [0, 1])
