"""From what run() returned to bytes: every format, every kind of result."""
import csv
import datetime
import decimal
import io
import json
import math
import os
import random
import tempfile
import unittest

from parallelrun_host.plainframe import plain_lines
from parallelrun_host.results import PartFileError, UnencodableRow, encode, format_of
from parallelrun_host.returned import InvalidReturn, RunRaised
from parallelrun_host.sink import INLINE_BYTES_MAX

from .rig import HostTest, have

TEXTS = ["plain", "", "a,b", 'q"q', "line\nbreak", "cr\rhere", "crlf\r\n", "\u2028", "=1+1", " lead", "ü\U0001f600",
         "\x00nul", ";", "'"]


def rows_format(name):
    return format_of({"action": "append_row", "format": name})


def body(result, name):
    return encode(result, rows_format(name), "/not/used").body


def text(result, name):
    return body(result, name).decode("utf-8")


class Broken:
    def __str__(self):
        raise ValueError("no text")


class Txt(unittest.TestCase):
    def test_elements_as_they_are(self):
        self.assertEqual(
            text(["a", "", 5, 1.5, None, True, [1, "x"], {"k": 1}, b"by", "two\nlines", (1,)], "txt"),
            "a\n\n5\n1.5\nNone\nTrue\n[1, 'x']\n{'k': 1}\nb'by'\ntwo\nlines\n(1,)\n")

    def test_numbers_keep_their_digits(self):
        self.assertEqual(
            text([float("nan"), math.inf, -0.0, 2 ** 53 + 1, 10 ** 400, decimal.Decimal("1.10"),
                  datetime.date(2020, 2, 3)], "txt").splitlines(),
            ["nan", "inf", "-0.0", "9007199254740993", "1" + "0" * 400, "1.10", "2020-02-03"])

    def test_lone_surrogates_become_text(self):
        for name in ("txt", "csv", "jsonl"):
            data = body(["x\udcff\ud83d"], name)
            self.assertIn(b"x\\udcff\\ud83d", data)
            data.decode("utf-8")
        self.assertEqual(json.loads(body(["x\udcff"], "jsonl")), "x\udcff")

    def test_list_tuple_generator(self):
        for result in (["a", "b"], ("a", "b"), (c for c in "ab")):
            encoded = encode(result, rows_format("txt"), "/not/used")
            self.assertEqual((encoded.k, encoded.body, encoded.part), (2, b"a\nb\n", None))
        for result in ([], (), (c for c in "")):
            encoded = encode(result, rows_format("txt"), "/not/used")
            self.assertEqual((encoded.k, encoded.body), (0, b""))

    def test_subclasses_with_a_text_of_their_own(self):
        class Loud(str):
            def __str__(self):
                return self.upper()

        self.assertEqual(text([Loud("a")] * 100, "txt"), "A\n" * 100)
        self.assertEqual(text([Loud("a")], "txt"), "A\n")


class Csv(unittest.TestCase):
    def rows(self, result):
        return list(csv.reader(io.StringIO(text(result, "csv"), newline="")))

    def test_a_text_is_one_field_and_one_row(self):
        self.assertEqual(self.rows(TEXTS[:11]), [[value] for value in TEXTS[:11]])
        self.assertEqual(text(["a", "a,b", 'q"', "", "x\ny"], "csv"), 'a\n"a,b"\n"q"""\n""\n"x\ny"\n')

    def test_lists_are_fields(self):
        self.assertEqual(text([["a", 1, None, 2.5, True], ("x, y",), [], [""]], "csv"),
                         'a,1,,2.5,True\n"x, y"\n""\n""\n')

    def test_others_are_their_text(self):
        self.assertEqual(self.rows([5, {"a": 1, "b": 2}, None]), [["5"], ["{'a': 1, 'b': 2}"], [""]])

    def test_any_rows_come_back(self):
        chooser = random.Random(11)
        for _ in range(200):
            rows = [[chooser.choice(TEXTS[:11]) for _ in range(chooser.randint(1, 4))]
                    for _ in range(chooser.randint(0, 30))]
            self.assertEqual(self.rows(rows), rows)


class Jsonl(unittest.TestCase):
    def values(self, result):
        return [json.loads(line, parse_constant=self.fail) for line in text(result, "jsonl").splitlines()]

    def test_values(self):
        self.assertEqual(
            self.values(["a\nb", 5, 1.5, None, True, [1, {"k": "ü"}], {"a": [1, 2]}, 10 ** 400]),
            ["a\nb", 5, 1.5, None, True, [1, {"k": "ü"}], {"a": [1, 2]}, 10 ** 400])
        self.assertEqual(text(["ü\nx"], "jsonl"), '"ü\\nx"\n')

    def test_what_json_does_not_know(self):
        self.assertEqual(
            self.values([float("nan"), [math.inf, 1], {"x": -math.inf, 3: "three"}, decimal.Decimal("1.10"),
                         datetime.datetime(2020, 1, 2, 3, 4, 5), datetime.date(2020, 1, 2), b"b", {1}, {(1, 2): 3}]),
            [None, [None, 1], {"x": None, "3": "three"}, "1.10", "2020-01-02T03:04:05", "2020-01-02", "b'b'", "{1}",
             {"(1, 2)": 3}])

    def test_line_separators_stay_in_their_line(self):
        self.assertEqual(body(["a\u2028b\x85"], "jsonl").count(b"\n"), 1)


class Failures(unittest.TestCase):
    def test_the_row_is_named(self):
        for result, row in (([1, 2, Broken()], 2), (["x"] * 1000 + [Broken()] + ["y"], 1000),
                            ((v for v in [0] * 600 + [Broken()]), 600)):
            with self.assertRaises(UnencodableRow) as caught:
                encode(result, rows_format("txt"), "/not/used")
            self.assertEqual((caught.exception.row, str(caught.exception.cause)), (row, "no text"))

    def test_cyclic_json(self):
        loop = []
        loop.append(loop)
        with self.assertRaises(UnencodableRow) as caught:
            encode([1, loop], rows_format("jsonl"), "/not/used")
        self.assertEqual((caught.exception.row, type(caught.exception.cause)), (1, RecursionError))

    def test_generator_that_raises_is_the_users(self):
        def rows():
            yield 1
            raise KeyError("mine")

        with self.assertRaises(RunRaised) as caught:
            encode(rows(), rows_format("txt"), "/not/used")
        self.assertIsInstance(caught.exception.cause, KeyError)

    def test_other_types(self):
        for value, name in ((None, "NoneType"), ("s", "str"), (object(), "object"), (range(3), "range")):
            with self.assertRaises(InvalidReturn) as caught:
                encode(value, rows_format("txt"), "/not/used")
            self.assertEqual(caught.exception.returned, name)


class Parts(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="parallelrun-host-")
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "7.2.part")

    def encode(self, result):
        return encode(result, rows_format("txt"), self.path)

    def test_at_the_limit_and_beyond(self):
        inline = self.encode(["x" * (INLINE_BYTES_MAX - 1)])
        self.assertEqual((len(inline.body), inline.part), (INLINE_BYTES_MAX, None))
        self.assertFalse(os.path.exists(self.path))
        part = self.encode(["x" * INLINE_BYTES_MAX])
        self.assertEqual((part.k, part.body, part.part), (1, b"", {"path": self.path, "bytes": INLINE_BYTES_MAX + 1}))
        with open(self.path, "rb") as file:
            self.assertEqual(file.read(), b"x" * INLINE_BYTES_MAX + b"\n")
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)

    def test_many_rows_in_order(self):
        rows = ["row %d" % number for number in range(100000)]
        for result in (rows, (row for row in rows)):
            encoded = self.encode(result)
            self.assertEqual((encoded.k, encoded.body), (100000, b""))
            with open(self.path) as file:
                self.assertEqual(file.read(), "\n".join(rows) + "\n")
            os.unlink(self.path)

    def test_never_through_a_link_or_over_a_file(self):
        target = os.path.join(self.folder.name, "target")
        os.symlink(target, self.path)
        with self.assertRaises(PartFileError):
            self.encode(["x" * INLINE_BYTES_MAX])
        self.assertFalse(os.path.exists(target))

    def test_nothing_is_left_of_a_failed_one(self):
        with self.assertRaises(UnencodableRow) as caught:
            self.encode(["x" * 1000] * 1000 + [Broken()])
        self.assertEqual(caught.exception.row, 1000)
        self.assertEqual(os.listdir(self.folder.name), [])


class ThroughTheHost(HostTest):
    def test_part_file(self):
        rig = self.started("def run(batch):\n    return ['x' * 100] * 1000\n")
        end = rig.run(index=7)
        self.assertEqual(end["part"], {"path": rig.path("parts/7.1.part"), "bytes": 101000})
        self.assertEqual((end["k"], end["body"]), (1000, b""))
        self.assertEqual(rig.read("parts/7.1.part"), (b"x" * 100 + b"\n") * 1000)

    def test_part_folder_gone(self):
        rig = self.started("def run(batch):\n    return ['x' * 100] * 1000\n", partFolder="/not/there")
        error = rig.run()["error"]
        self.assertEqual((error["kind"], error["exceptionType"]), ("exception", "OSError"))
        self.assertIn("cannot be written to /not/there/0.1.part", error["message"])

    def test_row_that_raises(self):
        rig = self.started("""
            class Row:
                def __str__(self): raise ValueError("mute")
            def run(batch): return ["fine", Row()]
            """)
        error = rig.run()["error"]
        self.assertEqual((error["kind"], error["row"], error["exceptionType"], error["message"]),
                         ("unencodable-row", 1, "ValueError", "mute"))
        self.assertEqual([(f["file"], f["line"]) for f in error["frames"]], [("score.py", 3)])

    def test_generator_that_raises(self):
        rig = self.started("def run(batch):\n    for name in batch:\n        yield name\n    raise KeyError('x')\n")
        error = rig.run()["error"]
        self.assertEqual((error["kind"], error["exceptionType"], error["frames"][0]["line"]),
                         ("exception", "KeyError", 4))

    def test_unpickling_never_happens(self):
        rig = self.started("""
            class Bomb:
                def __reduce__(self): return (open, ("canary", "w"))
            def run(batch): return [Bomb]
            """)
        self.assertEqual(rig.run()["m"], "done")
        self.assertEqual(os.listdir(rig.path("work")), [])


@unittest.skipUnless(have("numpy"), "numpy is not installed for this Python")
class Numpy(unittest.TestCase):
    def setUp(self):
        import numpy

        self.np = numpy

    def test_vectors(self):
        np = self.np
        self.assertEqual(text(np.array([1, 2]), "txt"), "1\n2\n")
        self.assertEqual(text(np.array([0.1, 2.5], dtype="float32"), "txt"), "0.1\n2.5\n")
        self.assertEqual(text(np.array(["a", "b,c"]), "csv"), 'a\n"b,c"\n')
        self.assertEqual(text(np.array([True, False]), "jsonl"), "true\nfalse\n")
        self.assertEqual(text(np.array([0.1, np.nan], dtype="float32"), "jsonl"), "0.1\nnull\n")
        self.assertEqual(text(np.array(["2020-01-02"], dtype="datetime64[ns]"), "jsonl"),
                         '"2020-01-02T00:00:00.000000000"\n')

    def test_matrices(self):
        np = self.np
        matrix = np.array([[0.1, 2], [3, 4]], dtype="float32")
        self.assertEqual(text(matrix, "txt"), "[0.1, 2.0]\n[3.0, 4.0]\n")
        self.assertEqual(text(matrix, "csv"), "0.1,2.0\n3.0,4.0\n")
        self.assertEqual(text(matrix, "jsonl"), "[0.1, 2.0]\n[3.0, 4.0]\n")
        wide = text(np.zeros((2, 5000), dtype=int), "txt")
        self.assertEqual(wide, ("[" + ", ".join(["0"] * 5000) + "]\n") * 2)

    def test_scalars_in_lists(self):
        np = self.np
        values = [np.float64(0.1), np.int64(5), np.bool_(True), np.str_("s"), np.float32(0.1), np.array([1, 2])]
        self.assertEqual(text(values, "txt"), "0.1\n5\nTrue\ns\n0.1\n[1 2]\n")
        self.assertEqual(text(values, "jsonl"), '0.1\n5\ntrue\n"s"\n0.1\n[1, 2]\n')
        self.assertEqual(text(values, "csv"), "0.1\n5\nTrue\ns\n0.1\n1,2\n")
        self.assertEqual(text([{"p": np.float32(0.5), "n": np.float64("nan")}], "jsonl"), '{"p": 0.5, "n": null}\n')

    def test_no_dimensions(self):
        with self.assertRaises(InvalidReturn) as caught:
            body(self.np.array(5), "txt")
        self.assertEqual(caught.exception.returned, "numpy.ndarray without dimensions")


@unittest.skipUnless(have("pandas"), "pandas is not installed for this Python")
class Pandas(unittest.TestCase):
    def setUp(self):
        import pandas

        self.pd = pandas
        self.frame = pandas.DataFrame(
            {"id": [1, 2], "text": ["a b", 'q"\nx'], "p": [0.5, float("nan")], "when": pandas.to_datetime(["2020-01-02"] * 2)},
            index=[7, 9])

    def test_formats(self):
        self.assertEqual(text(self.frame, "txt"), '1 "a b" 0.5 2020-01-02\n2 "q""\nx"  2020-01-02\n')
        self.assertEqual(text(self.frame, "csv"), '1,a b,0.5,2020-01-02\n2,"q""\nx",,2020-01-02\n')
        self.assertEqual([json.loads(line) for line in text(self.frame, "jsonl").splitlines()], [
            {"id": 1, "text": "a b", "p": 0.5, "when": "2020-01-02T00:00:00"},
            {"id": 2, "text": 'q"\nx', "p": None, "when": "2020-01-02T00:00:00"}])

    def test_columns_for_csv_only(self):
        self.assertEqual([encode(self.frame, rows_format(name), "/x").columns for name in ("txt", "csv", "jsonl")],
                         [None, ["id", "text", "p", "when"], None])

    def test_carriage_return_stays_one_row(self):
        frame = self.pd.DataFrame({"a": ["x\ry", "z"], "n": [1, 2]})
        again = list(csv.reader(io.StringIO(text(frame, "csv"), newline="")))
        self.assertEqual(again, [["x\ry", "1"], ["z", "2"]])

    def test_same_as_pandas_for_many_rows(self):
        frame = self.pd.DataFrame({"i": range(50001), "f": [number / 7 for number in range(50001)]})
        with tempfile.TemporaryDirectory(prefix="parallelrun-host-") as folder:
            path = os.path.join(folder, "part")
            encoded = encode(frame, rows_format("txt"), path)
            with open(path) as file:
                self.assertEqual(file.read(), frame.to_csv(sep=" ", header=False, index=False))
        self.assertEqual(encoded.k, 50001)

    def test_plain_columns_as_pandas_writes_them(self):
        np, draw = __import__("numpy"), random.Random(20)
        floats = [0.0, -0.0, 1e-5, 1e16, 123456789.123, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), 0.1]
        texts = ["", "a", "é", "z" * 40, "1.5", "None", "%d", "a\tb", "\ud800"]
        strange = ["a b", "x,y", 'q"', "l\nf", "c\rr", None, float("nan"), 3, np.str_("n")]
        plain = 0
        for _ in range(400):
            rows = draw.randrange(0, 5)

            def some(values):
                return [draw.choice(values) for _ in range(rows)]

            kinds = [
                lambda: np.array(some([0, -1, 2 ** 63 - 1, -2 ** 63]), "int64"),
                lambda: np.array(some([0, 2 ** 64 - 1]), "uint64"),
                lambda: np.array(some([-128, 127]), "int8"),
                lambda: np.array(some(floats)),
                lambda: np.array(some(floats + [float("nan")])),
                lambda: np.array(some([draw.random() * 10 ** draw.randrange(-20, 20) for _ in range(9)]), ">f8"),
                lambda: np.array(some([0.1, 1e-7]), "float32"),
                lambda: np.array(some([True, False])),
                lambda: np.array(some(texts), object),
                lambda: np.array(some(texts + strange[:draw.randrange(0, 10)]), object),
            ]
            names = ["a", "a", "b"][:draw.randrange(1, 4)]
            frame = self.pd.concat([self.pd.Series(draw.choice(kinds)()) for _ in names], axis=1)
            frame.columns = names
            for name in ("txt", "csv"):
                form = rows_format(name)
                found = plain_lines(frame, form.separator, form._strange)
                plain += found is not None
                self.assertIn(found, (None, frame.to_csv(sep=form.separator, header=False, index=False)))
        self.assertGreater(plain, 200)

    def test_double_columns_and_empty_frames(self):
        pd = self.pd
        self.assertEqual(text(pd.DataFrame([[1, 2, 3]], columns=["a", "a", 0]), "jsonl"), '{"a": 1, "a.1": 2, "0": 3}\n')
        encoded = encode(pd.DataFrame({"a": []}), rows_format("csv"), "/x")
        self.assertEqual((encoded.k, encoded.body, encoded.columns), (0, b"", ["a"]))
        self.assertEqual(encode(pd.DataFrame(index=[1, 2]), rows_format("jsonl"), "/x").body, b"{}\n{}\n")

    def test_missing_values(self):
        pd = self.pd
        frame = pd.DataFrame({"i": pd.array([1, None], dtype="Int64"), "o": [None, pd.NaT], "c": pd.Categorical(["x", None])})
        self.assertEqual(text(frame, "jsonl"), '{"i": 1, "o": null, "c": "x"}\n{"i": null, "o": null, "c": null}\n')
        self.assertEqual(text(frame, "csv"), "1,,x\n,,\n")

    def test_float_types_of_pandas(self):
        pd = self.pd
        for kind in ("Float64", "Float32"):
            frame = pd.DataFrame({"x": pd.array([1.5, None], dtype=kind)})
            self.assertEqual(text(frame, "jsonl"), '{"x": 1.5}\n{"x": null}\n')
            self.assertEqual(text(frame["x"], "jsonl"), "1.5\nnull\n")

    def test_series(self):
        pd = self.pd
        self.assertEqual(text(pd.Series([1, 2], index=[5, 6]), "txt"), "1\n2\n")
        self.assertEqual(text(pd.Series([0.1], dtype="float32"), "txt"), "0.1\n")
        self.assertEqual(text(pd.Series(["a,b", None], dtype=object), "csv"), '"a,b"\n""\n')

    def test_row_that_raises(self):
        with self.assertRaises(UnencodableRow) as caught:
            encode(self.pd.DataFrame({"a": [1, 2, Broken()]}), rows_format("csv"), "/x")
        self.assertEqual(caught.exception.row, 2)


class OtherTables(unittest.TestCase):
    DATA = {"a": [1, None], "t": ["x y", 'q"']}

    def check(self, table):
        encoded = encode(table, rows_format("csv"), "/x")
        self.assertEqual((encoded.k, encoded.body, encoded.columns), (2, b'1,x y\n,"q"""\n', ["a", "t"]))
        self.assertEqual(text(table, "txt"), '1 "x y"\n "q"""\n')
        self.assertEqual(text(table, "jsonl"), '{"a": 1, "t": "x y"}\n{"a": null, "t": "q\\""}\n')

    @unittest.skipUnless(have("pyarrow"), "pyarrow is not installed for this Python")
    def test_pyarrow(self):
        import pyarrow

        table = pyarrow.table(self.DATA)
        self.check(table)
        self.check(table.to_batches()[0])
        self.assertEqual(body(pyarrow.table({"a": []}), "txt"), b"")

    @unittest.skipUnless(have("polars"), "polars is not installed for this Python")
    def test_polars(self):
        import polars

        self.check(polars.DataFrame(self.DATA))
