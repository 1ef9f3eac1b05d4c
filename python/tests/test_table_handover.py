"""What the script gets of table rows, through the real host: library, types, parts, and no import that isn't needed."""
import json
import os
import sys
import tempfile
import unittest

from .rig import HostTest, have
from .tablerig import HAND_OVERS, HIDE, Tables, read_without, table, types_of, values_of

PYTHON = os.path.normpath(sys.executable)
SCHEMA = [("id", "int64"), ("x", "float64"), ("maybe", "nullable-bool"), ("text", "string")]
CSV = b'1,0.5,True,a\n2,,,"b\nb"\n3,1,False,\n'
JSON = b'{"id":1,"x":0.5,"maybe":true,"text":"a"}\n{"id":2,"text":"b\\nb"}\n{"id":3,"x":1,"maybe":false}\n'
EXPECTED = [[1, 0.5, True, "a"], [2, None, None, "b\nb"], [3, 1.0, False, None]]
# says what it got, as JSON, a row an item
SCRIPT = """
    import sys
    NEEDED = %r
    loaded = sorted(name for name in ("pandas", "polars", "pyarrow", "numpy") if name in sys.modules)
    assert loaded == NEEDED or NEEDED is None, loaded
    def rows_of(batch):
        if isinstance(batch, list):
            return [list(row.values()) for row in batch]
        if type(batch).__module__.startswith("pyarrow"):
            return [list(row.values()) for row in batch.to_pylist()]
        if type(batch).__module__.startswith("polars"):
            return [list(row) for row in batch.rows()]
        return [[None if value != value else value for value in row] for row in batch.values.tolist()]
    def run(batch):
        return [(type(batch).__module__.partition(".")[0], len(batch), row) for row in rows_of(batch)]
    """
NAMES = {"pandas": "pandas", "pyarrow": "pyarrow", "polars": "polars", "list": "builtins"}


class HandOvers(HostTest):
    def start(self, tables, hand_over, needed=None):
        more = {} if hand_over is None else {"handOver": hand_over}
        return self.started(SCRIPT % (needed,), tables=tables, output={"action": "append_row", "format": "jsonl"}, **more)

    def check(self, rig, source, hand_over):
        for part in (None, (0, 3), (1, 2), (2, 3), (0, 1)):
            start, end = part or (0, 3)
            done = rig.run_source(source, part=part)
            self.assertEqual((done["m"], done["n"], done.get("k")), ("done", end - start, end - start), done)
            self.assertEqual([json.loads(line) for line in done["body"].decode().splitlines()],
                             [[NAMES[hand_over or "pandas"], end - start, row] for row in EXPECTED[start:end]])

    def test_text_formats(self):
        for hand_over in (None,) + HAND_OVERS:
            if hand_over != "list" and not have(hand_over or "pandas"):
                continue
            with self.subTest(hand_over=hand_over):
                rig = self.start([table(SCHEMA), table(SCHEMA, "jsonl")], hand_over, [] if hand_over == "list" else None)
                for number, data in enumerate((CSV, JSON)):
                    path = rig.write("data/%d" % number, data)
                    self.check(rig, {"kind": "rows", "file": path, "start": 0, "end": len(data), "firstRow": 0, "rows": 3,
                                     "table": number}, hand_over)
                self.assertEqual(rig.stop()[1], 0)

    @unittest.skipUnless(have("pyarrow") and have("pandas") and have("polars"), "a library is not installed")
    def test_numbered_formats(self):
        import pyarrow
        import pyarrow.parquet

        content = pyarrow.table(dict(zip([name for name, _ in SCHEMA], zip(*EXPECTED))))
        schema = [{"name": name, "type": "native", "missing": name != "id"} for name, _ in SCHEMA]
        for hand_over in (None,) + HAND_OVERS:
            with self.subTest(hand_over=hand_over):
                rig = self.start([table(schema, "parquet"), table(schema, "arrow")], hand_over)
                pyarrow.parquet.write_table(content, rig.path("data/0"), row_group_size=2)
                with pyarrow.ipc.new_file(rig.path("data/1"), content.schema) as writer:
                    writer.write_table(content, 2)
                for number in (0, 1):
                    self.check(rig, {"kind": "rows", "file": "/in/table.gz", "data": rig.path("data/%d" % number),
                                     "start": 0, "end": 3, "firstRow": 0, "rows": 3, "table": number}, hand_over)
                self.assertEqual(rig.stop()[1], 0)

    def test_the_row_at_fault_is_named(self):
        rig = self.start([table(SCHEMA), table(SCHEMA, "jsonl")], "list")
        for number, data in enumerate((CSV.replace(b"2,,", b"2,y,"), JSON.replace(b'"id":2', b'"id":"2"'))):
            source = {"kind": "rows", "file": rig.write("data/%d" % number, data), "start": 0, "end": 0, "firstRow": 0,
                      "rows": 3, "table": number}
            source["end"] = len(data)
            for part in (None, (1, 3)):
                end = rig.run_source(source, part=part)
                self.assertEqual((end["error"]["kind"], end["item"]), ("input-error", 1))
                self.assertIn("row 1: column ", end["error"]["reason"])
            self.assertEqual(rig.run_source(source, part=(2, 3))["m"], "done")


class MissingLibraries(HostTest):
    """With an interpreter that can't find them."""

    def message(self, hand_over, format, missing):
        rig = self.rig("def run(batch):\n    return batch\n", tables=[table([], format)], handOver=hand_over)
        rig.write("site/sitecustomize.py", HIDE % (missing,))
        rig.environment["PYTHONPATH"] = rig.path("site")
        rig.spawn()
        rig.send(rig.hello)
        error = rig.next("stage-error")
        self.assertEqual((error["stage"], error["error"]["exceptionType"]), ("load", "ModuleNotFoundError"))
        self.assertEqual(rig.rest(), ([], 1))
        return error["error"]["message"]

    def test_what_to_do_is_said(self):
        for hand_over in ("pandas", "pyarrow", "polars"):
            with self.subTest(hand_over=hand_over):
                message = self.message(hand_over, "csv", [hand_over])
                for part in ("PR2902 %s is not installed for %s" % (hand_over, PYTHON),
                             "run() gets table rows as a " + hand_over, "Add %s to" % hand_over, "--requirements",
                             "conda_file", "--python"):
                    self.assertIn(part, message)

    def test_no_reader(self):
        for format, name in (("parquet", "Parquet"), ("arrow", "Arrow IPC")):
            message = self.message("list", format, ["pyarrow", "polars"])
            for part in ("PR2905 there is no reader for %s in this environment" % name, PYTHON, "Add pyarrow to"):
                self.assertIn(part, message)


@unittest.skipUnless(have("pandas") and have("pyarrow") and have("polars"), "a library is not installed")
class WithoutPandas(unittest.TestCase):
    def test_tables_of_text_are_the_same(self):
        with tempfile.TemporaryDirectory(prefix="parallelrun-host-") as folder:
            jobs = []
            for format, data in (("csv", CSV), ("jsonl", JSON)):
                path = os.path.join(folder, format)
                with open(path, "wb") as file:
                    file.write(data)
                source = {"kind": "rows", "file": path, "start": 0, "end": len(data), "firstRow": 0, "rows": 3, "table": 0}
                jobs += [([table(SCHEMA, format)], hand_over, [(source, None), (source, (1, 3))])
                         for hand_over in ("pyarrow", "polars", "list")]
            without = read_without(["pandas"], jobs)
            for (tables, hand_over, sources), got in zip(jobs, without):
                reader = Tables(tables, hand_over)
                batches = [reader.read(sources[0][0]), reader.read_part(sources[1][0], 1, 3)]
                self.assertEqual(got, [(types_of(batch), values_of(batch)) for batch in batches])
