"""CSV in all dialects: rows and fields are those of pandas' parser, whoever reads them."""
import io
import random
import unittest

from parallelrun_host.csvtext import Dialect, EndlessRow
from parallelrun_host.minibatch import InputError
from parallelrun_host.textvalues import MISSING

from .rig import have
from .tablerig import HAND_OVERS, TableTest, table, types_of, values_of

SCHEMA = [("id", "int64"), ("big", "uint64"), ("x", "float64"), ("ok", "bool"), ("maybe", "nullable-bool"), ("text", "string")]
TYPES = {
    "pandas": ["int64", "uint64", "float64", "bool", "object", "object"],
    "pyarrow": ["int64", "uint64", "double", "bool", "bool", "string"],
    "polars": ["Int64", "UInt64", "Float64", "Boolean", "Boolean", "String"],
    "list": None,
}


def dialect(chooser):
    more = {"delimiter": chooser.choice(",;\t|")}
    if chooser.random() < 0.5:
        more["quote"] = chooser.choice(("", "'", '"'))
    if chooser.random() < 0.4:
        more["escape"] = "\\"
    if chooser.random() < 0.4:
        more["comment"] = "#"
    return more


def text_of(value, more, chooser):
    """A text as a field."""
    quote, escape = more.get("quote", '"'), more.get("escape", "")
    special = [more["delimiter"], "\n", "\r", quote or "\0", escape or "\0", more.get("comment", "\0")]
    if not any(mark in value for mark in special) and (not quote or chooser.random() < 0.8):
        return value
    if quote and (not escape or chooser.random() < 0.5):
        return quote + value.replace(escape, 2 * escape).replace(quote, 2 * quote) + quote if escape else \
            quote + value.replace(quote, 2 * quote) + quote
    if escape:
        return "".join(escape + mark if mark in special else mark for mark in value)
    return "plain"  # there is no way to write it


def field(chooser, kind, more):
    if kind == "int64":
        return str(chooser.choice((0, -5, 2 ** 63 - 1, -2 ** 63, chooser.randrange(1000))))
    if kind == "uint64":
        return str(chooser.choice((0, 2 ** 64 - 1, 2 ** 63 + 1)))
    if kind == "float64":
        return chooser.choice(("", "nan", "1", "0.1", "-1e300", "inf", "3.25", "%.3f" % chooser.random()))
    if kind == "bool":
        return chooser.choice(("True", "False", "true", "FALSE"))
    if kind == "nullable-bool":
        return chooser.choice(("True", "False", "", "NA"))
    value = chooser.choice(("plain", "", "NA", "a,b;c\td|e", 'q"q', "it's", "two\nlines", "ü", "12", " sp ", "b\\s", "#no",
                            "c\rr"))
    return text_of(value, more, chooser)


def reference(pandas, data, more, names=None, **options):
    """How a person would read it."""
    quote = more.get("quote", '"')
    return pandas.read_csv(
        io.BytesIO(data), sep=more["delimiter"], header=None, names=names, quotechar=quote or '"',
        quoting=0 if quote else 3, escapechar=more.get("escape"), comment=more.get("comment"), keep_default_na=False,
        na_values=list(MISSING), low_memory=False, **options)


@unittest.skipUnless(have("pandas"), "pandas is not installed for this Python")
class Dialects(TableTest):
    def setUp(self):
        super().setUp()
        import pandas

        self.pd = pandas
        self.hand_overs = [name for name in HAND_OVERS if name == "list" or have(name)]

    def rows(self, chooser, more):
        """Rows that give the whole file the types that were decided for it, and random ones."""
        delimiter, end = more["delimiter"], chooser.choice(("\n", "\r\n"))
        rows = [["1", str(2 ** 64 - 1), "0.5", "True", "False", "text"], ["1", str(2 ** 64 - 1), "0.5", "True", "", "other"]]
        rows += [[field(chooser, kind, more) for _, kind in SCHEMA] for _ in range(chooser.randint(1, 30))]
        lines = []
        for row in rows:
            line = delimiter.join(row)
            if "comment" in more and chooser.random() < 0.1:
                line = "# " + delimiter + end + line
            if "comment" in more and chooser.random() < 0.1 and not line.endswith(('"', "'")):
                line += "# \"it's" + delimiter
            if chooser.random() < 0.05:
                line = " " * (delimiter != " ") + end + line
            lines.append((line + end).encode("utf-8"))
        if chooser.random() < 0.3:
            lines[-1] = lines[-1].rstrip(b"\r\n")
        return lines

    def test_union_of_slices_is_the_whole(self):
        chooser = random.Random(11)
        for round_number in range(60):
            more = dialect(chooser)
            lines = self.rows(chooser, more)
            data = b"".join(lines)
            path = self.write(data)
            whole = reference(self.pd, data, more, [name for name, _ in SCHEMA], dtype={"big": "uint64", "text": object})
            self.assertEqual(types_of(whole), TYPES["pandas"])
            expected = values_of(whole)
            sources = self.slices(chooser, path, lines)
            for hand_over in self.hand_overs:
                with self.subTest(round=round_number, dialect=more, hand_over=hand_over):
                    tables = self.tables(table(SCHEMA, **more), hand_over=hand_over)
                    got = {name: [] for name, _ in SCHEMA}
                    for source in sources:
                        batch = tables.read(source)
                        self.assertEqual(len(batch), source["rows"])
                        self.assertEqual(types_of(batch), TYPES[hand_over])
                        for name, values in values_of(batch).items():
                            got[name].extend(values)
                    self.assertEqual({name: list(map(repr, values)) for name, values in got.items()},
                                     {name: list(map(repr, values)) for name, values in expected.items()})

    def test_parts_are_the_rows_of_the_whole(self):
        chooser = random.Random(12)
        for _ in range(15):
            more = dialect(chooser)
            lines = self.rows(chooser, more)
            bad = chooser.randrange(len(lines))
            data = b"".join(lines)
            broken = lines[:bad] + [more["delimiter"].join(["x", "1", "", "True", "", "t"]).encode() + b"\n"] + lines[bad + 1:]
            if not broken[-1].endswith((b"\r", b"\n")) and bad < len(lines) - 1:
                broken[-1] += b"\n"
            for hand_over in ("pandas", "list"):
                tables = self.tables(table(SCHEMA, **more), hand_over=hand_over)
                good = self.source(self.write(data, "good"), 0, len(data), len(lines))
                whole = values_of(tables.read(good))
                size = sum(map(len, broken))
                source = self.source(self.write(b"".join(broken), "bad"), 0, size, len(lines))
                for start in range(len(lines)):
                    end = chooser.randint(start + 1, len(lines))
                    rows = {name: repr(values[start:end]) for name, values in whole.items()}
                    part = values_of(tables.read_part(good, start, end))
                    self.assertEqual({name: repr(values) for name, values in part.items()}, rows)
                    if start <= bad < end:
                        self.assertRaises(InputError, tables.read_part, source, start, end)
                    else:
                        part = values_of(tables.read_part(source, start, end))
                        self.assertEqual({name: repr(values) for name, values in part.items()}, rows)

    def test_rows_and_fields_are_those_of_pandas(self):
        chooser = random.Random(13)
        names = list("ABCDEFGHIJ")
        compared = 0
        for _ in range(4000):
            more = dialect(chooser)
            marks = ["a", "b", " ", "\t", more["delimiter"], more["delimiter"], "\n", "\n", "\r\n", more.get("quote", '"'),
                     '"', more.get("escape", "a"), more.get("comment", "b")]
            text = "".join(chooser.choice(marks) for _ in range(chooser.randint(1, 14)))
            rules = Dialect(more)
            try:
                rows = list(rules.rows(text))
                spans = list(rules.spans(text.encode()))
            except EndlessRow:
                rows = None
            head = more["delimiter"].join("h" * len(names)) + "\n"
            try:
                frame = reference(self.pd, (head + text).encode(), more, names, dtype=object, na_filter=False)
                expected = [[value if isinstance(value, str) else "" for value in row] for row in frame.values.tolist()[1:]]
            except self.pd.errors.ParserError as error:
                self.assertIn("EOF ", str(error))
                expected = None
            with self.subTest(dialect=more, text=text):
                if rows is None or expected is None:
                    self.assertEqual(rows, expected)
                    continue
                self.assertEqual([row + [""] * (len(names) - len(row)) for row in rows], expected)
                self.assertEqual([row for start, end in spans for row in rules.rows(text[start:end])], rows)
                compared += 1
        self.assertGreater(compared, 2500)

    def test_a_comment_character_behind_a_closing_quote_is_text(self):
        rules = Dialect({"delimiter": ";", "comment": "#"})
        self.assertEqual(list(rules.rows('"a"#b;c#d\n"e";#\n')), [["a#b", "c"], ["e", ""]])
        for count, text in enumerate(('"a"#b;"c\n', 'x\n"a"#b;"c\n')):
            with self.assertRaises(EndlessRow) as caught:
                list(rules.rows(text))
            self.assertEqual(caught.exception.row, count)

    def test_a_row_that_starts_with_a_space_behind_a_blank_line_of_cr(self):
        # pandas' own parser would not come to an end
        data = b"a\n\r b\r\r \tc\r"
        for hand_over in ("pandas", "list"):
            frame = self.tables(table([("t", "string")]), hand_over=hand_over).read(
                self.source(self.write(data), 0, len(data), 3))
            self.assertEqual(values_of(frame), {"t": ["a", " b", " \tc"]})


class Misfits(TableTest):
    def refused(self, data, rows, schema, hand_over, part=None, **more):
        tables = self.tables(table(schema, **more), hand_over=hand_over)
        source = self.source(self.write(data), 0, len(data), rows, 5)
        with self.assertRaises(InputError) as caught:
            tables.read(source) if part is None else tables.read_part(source, *part)
        return caught.exception

    def test_numbers_beyond_their_type(self):
        for hand_over in ("pandas", "list") if have("pandas") else ("list",):
            for kind, text, value in (("uint64", "-1", "'-1'"), ("int64", "9223372036854775808", "9223372036854775808")):
                with self.subTest(hand_over=hand_over, kind=kind):
                    for part in (None, (1, 2), (0, 2)):
                        error = self.refused(("1,7\n%s,7\n" % text).encode(), 2, [("a", kind), ("b", "int64")], hand_over,
                                             part)
                        self.assertIn("row 6: column 'a' holds ", error.reason)
                        self.assertIn(value, error.reason)
                        self.assertEqual(error.item, 1)

    @unittest.skipUnless(have("pandas"), "pandas is not installed for this Python")
    def test_a_number_beyond_its_type_in_a_long_slice(self):
        # pandas reads it in pieces, of fewer rows the more columns there are, and only one of them holds that number
        rows, more = 60000, 31
        data = b"".join(b"%d" % (2 ** 63 + 1 if row == 40000 else 2 ** 53 + row) + b",1" * more + b"\n"
                        for row in range(rows))
        schema = [("a", "int64")] + [("b%d" % at, "int64") for at in range(more)]
        error = self.refused(data, rows, schema, "pandas")
        self.assertIn("row 40005: column 'a' holds 9223372036854775809 ", error.reason)
        self.assertEqual(error.item, 40000)

    def test_row_column_and_value_are_named(self):
        for kind, text in (("int64", "1.5"), ("int64", ""), ("int64", "1_0"), ("float64", "abc"), ("bool", "NA"),
                           ("nullable-bool", "perhaps"), ("uint64", "-0.5")):
            error = self.refused(("1,x\n%s,y\n" % text if kind != "bool" and kind != "nullable-bool"
                                  else "True,x\n%s,y\n" % text).encode(), 2, [("a", kind), ("b", "string")], "list")
            self.assertIn("row 6: column 'a' holds %r where only " % text, error.reason)
            self.assertEqual(error.item, 1)

    def test_rows_without_end_or_with_too_much(self):
        schema = [("a", "string"), ("b", "string")]
        error = self.refused(b'a,b\nc,"d\n', 2, schema, "list")
        self.assertEqual((error.reason, error.item), ("row 6: a quoted field has no end", 1))
        error = self.refused(b"a,b\nc,d,e\n", 2, schema, "list")
        self.assertEqual((error.reason, error.item), ('row 6 (line 2): it has 3 fields, its file has 2 columns: "c,d,e"', 1))
        for part, item in ((None, 1), ((1, 2), 1)):
            error = self.refused(b'"a\n",b\nc,\xff\n', 2, schema, "list", part)
            self.assertEqual((error.reason, error.item), ("row 6: it is not UTF-8 text", item))

    def test_changed_files(self):
        for hand_over in ("pandas", "list") if have("pandas") else ("list",):
            error = self.refused(b"1\n2\n", 3, [("a", "int64")], hand_over)
            self.assertIn("hold 2 rows, but 3 were counted", error.reason)
            tables = self.tables(table([("a", "int64")]), hand_over=hand_over)
            with self.assertRaises(InputError) as caught:
                tables.read(self.source("/data/a.csv.gz", 0, 4, 1, data="/not/there"))
            self.assertEqual((caught.exception.path, caught.exception.errno), ("/data/a.csv.gz", "ENOENT"))
            self.assertIn("/not/there", caught.exception.reason)

    def test_first_row_behind_a_byte_order_mark(self):
        data = b"\xef\xbb\xbf1\n2\n"
        for hand_over in ("pandas", "list") if have("pandas") else ("list",):
            batch = self.tables(table([("a", "int64")]), hand_over=hand_over).read(self.source(self.write(data), 3, 5, 1))
            self.assertEqual(values_of(batch), {"a": [1]})

    def test_mixed_types_keep_each_value_its_own(self):
        data = b"1,1\na,007\n2.5,x\n,1\n-3,1e2\n" + b"9" * 30 + b",2\n"
        expected = {"mixed": [1, "a", 2.5, None, -3, int("9" * 30)], "text": ["1", "007", "x", "1", "1e2", "2"]}
        for hand_over in ("pandas", "list") if have("pandas") else ("list",):
            with self.subTest(hand_over):
                mixed = table([("mixed", "string"), ("text", "string")], mixed=["mixed"])
                tables = self.tables(mixed, hand_over=hand_over)
                source = self.source(self.write(data), 0, len(data), 6)
                batch = tables.read(source)
                self.assertEqual(values_of(batch), expected)
                self.assertEqual([type(value) for value in values_of(batch)["mixed"][:3]], [int, str, float])
                part = tables.read_part(source, 1, 3)
                self.assertEqual(values_of(part), {name: values[1:3] for name, values in expected.items()})
                # numbers alone in a part of it are what they are in the whole
                self.assertEqual([type(value) for value in values_of(tables.read_part(source, 4, 5))["mixed"]], [int])
