"""JSON Lines: slices hold what `json.loads` finds, in the types of the whole."""
import json
import random
import unittest

from parallelrun_host.minibatch import InputError

from .rig import have
from .tablerig import HAND_OVERS, TableTest, table, types_of, values_of

SCHEMA = [("id", "int64"), ("big", "uint64"), ("x", "float64"), ("ok", "bool"), ("maybe", "nullable-bool"),
          ("text", "string"), ("any", "json")]
TYPES = {
    "pandas": ["int64", "uint64", "float64", "bool", "object", "object", "object"],
    "pyarrow": ["int64", "uint64", "double", "bool", "bool", "string", "string"],
    "polars": ["Int64", "UInt64", "Float64", "Boolean", "Boolean", "String", "String"],
    "list": None,
}
GAP = object()


def value(chooser, kind):
    return chooser.choice({
        "int64": (0, -5, 2 ** 63 - 1, -2 ** 63, 2 ** 53 + 1),
        "uint64": (0, 2 ** 64 - 1),
        "float64": (None, GAP, 1, 0.1, -1e300, 3.141592653589793, 7, float("inf")),
        "bool": (True, False),
        "nullable-bool": (True, False, None, GAP),
        "string": ("", "text", "NA", "null", "ü\n\"", "\u2028", None, GAP),
        "json": (None, GAP, {"a": [1, {"b": None}]}, [], [[1, 2], [3, 4]], "text", 1, 2.5, True, 10 ** 30, "ü"),
    }[kind])


def row(chooser):
    pairs = [(name, value(chooser, kind)) for name, kind in SCHEMA]
    chooser.shuffle(pairs)
    return {name: held for name, held in pairs if held is not GAP}


class Slices(TableTest):
    def test_union_of_slices_is_the_whole(self):
        chooser = random.Random(21)
        for round_number in range(40):
            rows = [row(chooser) for _ in range(chooser.randint(1, 40))]
            lines = []
            for content in rows:
                text = json.dumps(content, ensure_ascii=chooser.random() < 0.5)
                space = chooser.choice(("", "", " ", "\t"))
                blank = chooser.choice(("", "", "", "\n", " \r\n"))
                lines.append((blank + space + text + space + chooser.choice(("\n", "\r\n"))).encode("utf-8"))
            if chooser.random() < 0.3:
                lines[-1] = lines[-1].rstrip()
            path = self.write(b"".join(lines))
            sources = self.slices(chooser, path, lines)
            expected = {name: [content.get(name) for content in rows] for name, _ in SCHEMA}
            expected["x"] = [None if held is None else float(held) for held in expected["x"]]
            for hand_over in [name for name in HAND_OVERS if name == "list" or have(name)]:
                with self.subTest(round=round_number, hand_over=hand_over):
                    tables = self.tables(table(SCHEMA, "jsonl"), hand_over=hand_over)
                    got = {name: [] for name, _ in SCHEMA}
                    for source in sources:
                        batch = tables.read(source)
                        self.assertEqual((len(batch), types_of(batch)), (source["rows"], TYPES[hand_over]))
                        for name, values in values_of(batch).items():
                            got[name].extend(values)
                        start = chooser.randrange(source["rows"])
                        part = values_of(tables.read_part(source, start, source["rows"]))
                        self.assertEqual(repr(part), repr({k: v[start:] for k, v in values_of(batch).items()}))
                    if hand_over in ("pyarrow", "polars"):
                        got["any"] = [held if held is None else json.loads(held) for held in got["any"]]
                    self.assertEqual(repr(got), repr(expected))

    @unittest.skipUnless(have("pandas"), "pandas is not installed for this Python")
    def test_frames_have_what_pandas_has_for_missing_values(self):
        data = b'{"s":"a","b":true,"j":[1]}\n{}\n'
        frame = self.tables(table([("s", "string"), ("b", "nullable-bool"), ("j", "json")], "jsonl")).read(
            self.source(self.write(data), 0, len(data), 2))
        self.assertEqual(repr(frame.values.tolist()), "[['a', True, [1]], [nan, nan, None]]")
        self.assertEqual(repr(frame.index), "RangeIndex(start=0, stop=2, step=1)")

    def test_nan_is_a_missing_value(self):
        data = b'{"s":NaN,"b":NaN,"x":NaN}\n{"s":"a","b":false,"x":-Infinity}\n'
        schema = [("s", "string"), ("b", "nullable-bool"), ("x", "float64")]
        rows = self.tables(table(schema, "jsonl"), hand_over="list").read(self.source(self.write(data), 0, len(data), 2))
        self.assertEqual(rows, [{"s": None, "b": None, "x": None}, {"s": "a", "b": False, "x": float("-inf")}])

    def test_rows_without_columns(self):
        for hand_over in [name for name in HAND_OVERS if name == "list" or have(name)]:
            rows = self.tables(table([], "jsonl"), hand_over=hand_over).read(self.source(self.write(b"{}\n{}\n"), 0, 6, 2))
            if hand_over != "polars":  # which has no rows without columns
                self.assertEqual(len(rows), 2)


class Refused(TableTest):
    def refused(self, line, schema=(("a", "int64"),), part=None):
        data = b'{"a":1}\n' + line + b'\n{"a":1}\n'
        source = self.source(self.write(data), 0, len(data), 3, 7)
        tables = self.tables(table(schema, "jsonl"), hand_over="list")
        for good in ((0, 1), (2, 3)):
            self.assertEqual(tables.read_part(source, *good), [{"a": 1}])
        with self.assertRaises(InputError) as caught:
            tables.read(source) if part is None else tables.read_part(source, *part)
        self.assertEqual((caught.exception.item, caught.exception.path), (1, source["file"]))
        return caught.exception.reason

    def test_lines_that_are_no_objects(self):
        for line, reason in (
            (b"[1]", "row 8: it is a list, and a row is a JSON object"),
            (b"null", "row 8: it is null, and a row is a JSON object"),
            (b"1.5", "row 8: it is a number, and a row is a JSON object"),
            (b"x", "row 8: it is not JSON: no value at character 1"),
            (b'{"a":}', "row 8: it is not JSON: no value at character 6"),
            (b'{"a":1} {"a":2}', "row 8: it is not one JSON object in a line: there is more behind it"),
            (b'{"a":1', "row 8: it is not one JSON object in a line: Expecting ',' delimiter: line 1 column 7 (char 6)"),
            (b'{"a":"\xff"}', "row 8: it is not UTF-8 text"),
            (b"[" * 100000, "row 8: it is not one JSON object in a line: maximum recursion depth exceeded"),
        ):
            for part in (None, (1, 2), (1, 3)):
                with self.subTest(line=line[:20], part=part):
                    self.assertTrue(self.refused(line, part=part).startswith(reason), self.refused(line))

    def test_values_that_do_not_fit(self):
        for text, shown in ((b"1.0", "1.0"), (b"null", "None"), (b"true", "True"), (b'"1"', "'1'"), (b"[1]", "[1]"),
                            (b"9223372036854775808", "9223372036854775808"), (b'"%s"' % (b"x" * 100), "'" + "x" * 76)):
            with self.subTest(text=text):
                reason = self.refused(b'{"a":%s}' % text)
                self.assertTrue(reason.startswith("row 8: column 'a' holds %s" % shown), reason)
                self.assertIn(" where only whole numbers of 64 bits were found before", reason)
        for kind, text in (("float64", b"true"), ("float64", b'"x"'), ("uint64", b"-1"), ("float64", b"1" + b"0" * 400)):
            self.assertIn("row 8: column 'a' holds ", self.refused(b'{"a":%s}' % text, [("a", kind)]))

    def test_keys_that_are_no_columns(self):
        self.assertEqual(self.refused(b'{"a":1,"b":2}'), "row 8: it has the key 'b', which is no column of the table: the file "
                                                         "was changed, or its keys vary")

    def test_changed_files(self):
        tables = self.tables(table([("a", "int64")], "jsonl"), hand_over="list")
        path = self.write(b'{"a":1}\n{"a":2}\n')
        with self.assertRaisesRegex(InputError, "hold 1 rows, but 2 were counted"):
            tables.read(self.source(path, 0, 8, 2))
        with self.assertRaisesRegex(InputError, "byte 5 is not the start of a row"):
            tables.read(self.source(path, 5, 8, 1))
        with self.assertRaisesRegex(InputError, "it ends at byte 16, 20 were there"):
            tables.read(self.source(path, 8, 20, 1))

    @unittest.skipUnless(have("pyarrow"), "pyarrow is not installed for this Python")
    def test_values_that_a_library_refuses(self):
        data = b'{"a":"\\ud800"}\n'
        source = self.source(self.write(data), 0, len(data), 1)
        with self.assertRaisesRegex(InputError, "there is no such table of rows 0 to 0: .*surrogates"):
            self.tables(table([("a", "string")], "jsonl"), hand_over="pyarrow").read(source)
