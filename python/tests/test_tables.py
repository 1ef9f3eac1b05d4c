"""Table mini-batches: slices of a CSV file are what pandas reads from the whole of it."""
import io
import os
import random
import sys
import tempfile
import unittest

from parallelrun_host.minibatch import InputError
from parallelrun_host.textvalues import MISSING

from .rig import HostTest, have

SCHEMA = [("id", "int64"), ("big", "uint64"), ("x", "float64"), ("ok", "bool"), ("maybe", "nullable-bool"), ("text", "string")]
TEXTS = ["plain", "", "NA", "a,b", 'q"q', "two\nlines", "ü", "12", " sp ", "None", "True"]


def table(schema=SCHEMA, delimiter=","):
    return {"format": "csv", "delimiter": delimiter,
            "schema": {"columns": [{"name": name, "type": kind} for name, kind in schema]}}


def field(chooser, kind):
    if kind == "int64":
        return str(chooser.choice((0, -5, 2 ** 63 - 1, -2 ** 63, chooser.randrange(1000))))
    if kind == "uint64":
        return str(chooser.choice((0, 2 ** 64 - 1, 2 ** 63 + 1)))
    if kind == "float64":
        return chooser.choice(("", "nan", "1", "0.1", "-1e300", "inf", "3.141592653589793", repr(chooser.random())))
    if kind == "bool":
        return chooser.choice(("True", "False", "true", "FALSE"))
    if kind == "nullable-bool":
        return chooser.choice(("True", "False", "", "NA"))
    value = chooser.choice(TEXTS)
    if any(mark in value for mark in ',"\n;') or chooser.random() < 0.2:
        return '"' + value.replace('"', '""') + '"'
    return value


class NoPandas(HostTest):
    @unittest.skipIf(have("pandas"), "pandas is installed for this Python")
    def test_what_to_do_is_said(self):
        rig = self.rig("def run(frame):\n    return frame\n", tables=[table()]).spawn()
        rig.send(rig.hello)
        error = rig.next("stage-error")
        self.assertEqual((error["stage"], error["error"]["exceptionType"]), ("load", "ModuleNotFoundError"))
        for part in ("PR2902 pandas", sys.executable, "--requirements", "conda_file", "--python"):
            self.assertIn(part, error["error"]["message"])
        self.assertEqual(rig.rest(), ([], 1))


@unittest.skipUnless(have("pandas"), "pandas is not installed for this Python")
class Slices(unittest.TestCase):
    def setUp(self):
        import pandas

        self.pd = pandas
        self.folder = tempfile.TemporaryDirectory(prefix="parallelrun-host-")
        self.addCleanup(self.folder.cleanup)

    def write(self, data):
        path = os.path.join(self.folder.name, "a.csv")
        with open(path, "wb") as file:
            file.write(data)
        return path

    def tables(self, *tables):
        from parallelrun_host.tables import Tables

        return Tables(tables)

    def test_concatenated_slices_are_the_whole(self):
        chooser = random.Random(3)
        for round_number in range(60):
            delimiter = chooser.choice(",;\t|")
            line_end = chooser.choice(("\n", "\r\n"))
            rows = [delimiter.join(field(chooser, kind) for _, kind in SCHEMA).replace("a,b", "a,b")
                    for _ in range(chooser.randint(2, 40))]
            # so that the whole file has the types that were decided for it
            first = delimiter.join(("1", str(2 ** 64 - 1), "0.5", "True", "False", "text"))
            gap = delimiter.join(("1", str(2 ** 64 - 1), "0.5", "True", "", "other"))
            lines = [(row + line_end).encode("utf-8") for row in [first, gap] + rows]
            if chooser.random() < 0.3:
                lines[-1] = lines[-1].rstrip(b"\r\n")
            header = (delimiter.join(name for name, _ in SCHEMA) + line_end).encode()
            data = header + b"".join(lines)
            path = self.write(data)
            whole = self.pd.read_csv(io.BytesIO(data), sep=delimiter,
                                     dtype={"big": "uint64", "text": object},
                                     keep_default_na=False, na_values=list(MISSING))
            reader = self.tables(table(delimiter=delimiter))
            frames = []
            at, number = len(header), 0
            while number < len(lines):
                count = min(chooser.randint(1, 10), len(lines) - number)
                end = at + sum(map(len, lines[number:number + count]))
                frames.append(reader.read({"kind": "rows", "file": path, "start": at, "end": end, "firstRow": number,
                                           "rows": count, "table": 0}))
                at, number = end, number + count
            self.assertEqual(at, len(data))
            for frame in frames:
                self.assertEqual(list(frame.index), list(range(len(frame))))
                self.assertEqual([str(kind) for kind in frame.dtypes],
                                 ["int64", "uint64", "float64", "bool", "object", "object"])
            joined = self.pd.concat(frames, ignore_index=True)
            self.assertEqual(list(joined.columns), list(whole.columns))
            for name, kind in SCHEMA:
                got, expected = list(joined[name]), list(whole[name])
                self.assertEqual(list(map(repr, got)), list(map(repr, expected)), (round_number, name))
                self.assertEqual(str(joined[name].dtype), str(whole[name].dtype), name)

    def read(self, data, start, end, rows, schema=(("a", "int64"), ("b", "string"))):
        path = data if isinstance(data, str) else self.write(data)
        return self.tables(table(schema)).read(
            {"kind": "rows", "file": path, "start": start, "end": end, "firstRow": 5, "rows": rows, "table": 0})

    def refused(self, *arguments, **more):
        with self.assertRaises(InputError) as caught:
            self.read(*arguments, **more)
        return caught.exception

    def test_missing_values_are_the_same_whatever_the_version_of_pandas(self):
        schema = (("a", "string"), ("b", "float64"))
        texts = list(MISSING) + ["none", "NAN", "-", "0"]
        data = "".join("%s,1\n" % text for text in texts).encode()
        frame = self.read(data, 0, len(data), len(texts), schema=schema)
        self.assertEqual(list(frame["a"].isna()), [True] * 19 + [False] * 4)
        self.assertEqual(list(frame["a"])[19:], ["none", "NAN", "-", "0"])
        data = "".join("x,%s\n" % text for text in MISSING).encode()
        self.assertTrue(self.read(data, 0, len(data), 19, schema=schema)["b"].isna().all())

    def test_rows_that_end_early(self):
        schema = (("a", "int64"), ("b", "string"), ("c", "float64"))
        frame = self.read(b"1,x\n2,y\n", 0, 8, 2, schema=schema)
        self.assertEqual(list(frame.columns), ["a", "b", "c"])
        self.assertEqual([str(kind) for kind in frame.dtypes], ["int64", "object", "float64"])
        self.assertEqual((list(frame["a"]), list(frame["b"]), frame["c"].isna().all()), ([1, 2], ["x", "y"], True))
        frame = self.read(b"1\r2\r", 0, 4, 2, schema=schema)
        self.assertEqual((list(frame["a"]), list(frame.index)), ([1, 2], [0, 1]))

    def test_changed_files(self):
        data = b"1,x\n2,y\n3,z\n"
        self.assertEqual(self.read(data, 4, 8, 1).values.tolist(), [[2, "y"]])
        self.assertIn("it ends at byte 12, 16 were there", self.refused(data, 8, 16, 2).reason)
        self.assertIn("byte 5 is not the start of a row any more", self.refused(data, 5, 8, 1).reason)
        self.assertIn("bytes 4 to 12 hold 2 rows, but 1 were counted", self.refused(data, 4, 12, 1).reason)
        gone = self.refused("/not/there.csv", 0, 4, 1)
        self.assertEqual((gone.path, gone.errno, gone.reason), ("/not/there.csv", "ENOENT", "No such file or directory"))

    def test_values_that_do_not_fit(self):
        self.assertIn("pandas cannot read rows 5 to 5", self.refused(b"x,y\n", 0, 4, 1).reason)
        self.assertIn("'perhaps'", self.refused(b"perhaps\n", 0, 8, 1, schema=(("a", "nullable-bool"),)).reason)
        self.assertIn("row 6 (line 2): it has 3 fields", self.refused(b"1,x\n1,x,y\n", 0, 10, 2).reason)
        self.assertIn("pandas cannot read", self.refused(b"1,\xff\n", 0, 4, 1).reason)

    def test_row_with_too_many_fields_first(self):
        for data, rows in ((b"1,x,y\n1,x\n", 2), (b"1,x,y\n", 1)):
            self.assertIn("row 5 (line 1): it has 3 fields, its file has 2 columns", 
                          self.refused(data, 0, len(data), rows, schema=(("a", "string"), ("b", "string"))).reason)


@unittest.skipUnless(have("pandas"), "pandas is not installed for this Python")
class ThroughTheHost(HostTest):
    def test_frames(self):
        rig = self.started("""
            import pandas
            def run(frame, context):
                assert type(frame) is pandas.DataFrame
                return pandas.DataFrame({"double": frame["id"] * 2, "text": frame["text"]})
            """, tables=[table((("id", "int64"), ("text", "string")))], output={"action": "append_row", "format": "csv"})
        path = rig.write("data/a.csv", 'id,text\n1,a\n2,"b\nc"\n3,\n')
        source = {"kind": "rows", "file": path, "start": 8, "end": 20, "firstRow": 0, "rows": 2, "table": 0}
        end = rig.run_source(source)
        self.assertEqual((end["n"], end["k"], end["columns"], end["body"]),
                         (2, 2, ["double", "text"], b'2,a\n4,"b\nc"\n'))
        os.unlink(path)
        end = rig.run_source(source, try_number=2)
        self.assertEqual((end["m"], end["n"], end["r"], end["error"]), ("failed", 0, 0, {
            "kind": "input-error", "path": path, "reason": "No such file or directory", "errno": "ENOENT"}))
        self.assertEqual(rig.stop()[1], 0)

    def test_a_result_does_not_wait_for_the_reading_of_the_next(self):
        rig = self.started("def run(batch):\n    return ['x']\n", tables=[table((("id", "int64"),))])
        os.mkfifo(rig.path("slow"))
        rig.queue({"kind": "files", "root": "/", "files": ["a"]}, 0)
        rig.queue({"kind": "rows", "file": rig.path("slow"), "start": 0, "end": 2, "firstRow": 0, "rows": 1, "table": 0}, 1)
        self.assertEqual([rig.next()["m"] for _ in range(2)], ["begin", "done"])
        os.close(os.open(rig.path("slow"), os.O_WRONLY))
        self.assertEqual(rig.next("failed")["error"]["kind"], "input-error")  # a pipe has no positions
