"""Mini-batches by partition keys: rows from anywhere in the files, values of keys, columns that paths name."""
import json
import os
import random
import unittest

from parallelrun_host.minibatch import InputError, key_values

from .rig import have
from .tablerig import HAND_OVERS, TableTest, read_without, table, values_of

NEEDED = all(map(have, ("pyarrow", "pandas", "polars")))
PATH = {"name": "store", "type": "string", "path": True}


def text(value):
    return json.dumps(value).encode("utf-8")


class KeyedText(TableTest):
    def hand_overs(self):
        return [name for name in HAND_OVERS if name == "list" or have(name)]

    def test_columns_that_the_path_names_stand_behind_the_others(self):
        path = self.write(b"1,x\n2,\n")
        spec = table([("n", "int64"), ("t", "string"), PATH])
        for hand_over in self.hand_overs():
            for store in ("a/b", "", None):
                tables = self.tables(spec, hand_over=hand_over)
                source = self.source(path, 0, 7, 2, keys=[["t", "x"], ["store", store]])
                batch = tables.read(source)
                self.assertEqual(values_of(batch), {"n": [1, 2], "t": ["x", None], "store": [store, store]}, hand_over)
                self.assertEqual(values_of(tables.read_part(source, 1, 2)), {"n": [2], "t": [None], "store": [store]})
                self.assertEqual(key_values(text(source), batch, tables), {"t": "x", "store": store})
                self.assertIs(type(tables.first_value(source, batch, "n")), int)

    def test_missing_values_of_keys_are_none(self):
        path = self.write(b"7\n")
        for kind, data, expected in (("float64", b",1\n", None), ("nullable-bool", b",1\n", None), ("string", b",1\n", None),
                                     ("float64", b"1.5,1\n", 1.5), ("bool", b"True,1\n", True), ("int64", b"7,1\n", 7)):
            path = self.write(data)
            for hand_over in self.hand_overs():
                tables = self.tables(table([("a", kind), ("b", "int64")]), hand_over=hand_over)
                source = self.source(path, 0, len(data), 1, keys=[["a", None]])
                value = key_values(text(source), tables.read(source), tables)["a"]
                self.assertEqual(value, expected, (kind, hand_over))
                self.assertIs(type(value), type(expected), (kind, hand_over))

    def test_files_have_their_keys_as_texts(self):
        source = {"kind": "files", "root": "/in", "files": ["a"], "keys": [["k", "\udcff"], ["n", None]]}
        self.assertEqual(key_values(text(source), ["/in/a"], None), {"k": "\udcff", "n": None})
        self.assertEqual(key_values(text({"kind": "files", "root": "/", "files": ['"keys":']}), [], None), {})


@unittest.skipUnless(NEEDED, "pyarrow, pandas or polars is not installed for this Python")
class KeyedParquet(TableTest):
    def setUp(self):
        super().setUp()
        import pyarrow
        import pyarrow.parquet

        self.pa, self.pq = pyarrow, pyarrow.parquet
        self.schema = [("id", "native"), {"name": "t", "type": "native", "missing": True}]

    def save(self, name, ids, part):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        texts = self.pa.array([None if row % 5 == 0 else "t%d" % (row % 3) for row in ids]).dictionary_encode()
        self.pq.write_table(self.pa.table({"id": self.pa.array(ids, self.pa.int64()), "t": texts}), path, row_group_size=part)

    def keyed(self, lines, **more):
        data = "".join(json.dumps(line) + "\n" for line in lines).encode("utf-8")
        path = self.write(b"[]\n" + data, "ranges")
        rows = sum(end - start for _, start, end in lines)
        return self.source(self.folder, 3, 3 + len(data), rows, data=path, keys=[["t", None]], **more)

    def test_any_ranges_of_any_files(self):
        seed = random.randrange(2 ** 32)
        chooser = random.Random(seed)
        for _ in range(12):
            counts = {"a/1 \u2028.parquet": chooser.randint(1, 200), "2.parquet": chooser.randint(1, 200)}
            at = 0
            starts = {}
            for name, count in counts.items():
                self.save(name, list(range(at, at + count)), chooser.randint(1, 60))
                starts[name] = at
                at += count
            lines, expected = [], []
            for name, count in counts.items():
                edges = sorted(chooser.sample(range(count + 1), min(count + 1, 2 * chooser.randint(1, 12))))
                for start, end in zip(edges[::2], edges[1::2]):
                    lines.append([name, start, end])
                    expected.extend(range(starts[name] + start, starts[name] + end))
            if not expected:
                continue
            source = self.keyed(lines)
            part = sorted(chooser.sample(range(len(expected) + 1), 2))
            for hand_over in HAND_OVERS:
                tables = self.tables(table(self.schema, "parquet"), hand_over=hand_over)
                found = values_of(tables.read(source))
                self.assertEqual(found["id"], expected, (seed, hand_over, lines))
                self.assertEqual(found["t"], [None if row % 5 == 0 else "t%d" % (row % 3) for row in expected], seed)
                self.assertEqual(values_of(tables.read_part(source, *part))["id"], expected[part[0]:part[1]], seed)
            jobs = [([table(self.schema, "parquet")], hand_over, [(source, None), (source, tuple(part))])
                    for hand_over in ("pandas", "polars", "list")]
            for job, batches in zip(jobs, read_without(("pyarrow",), jobs)):
                whole, some = [values_of(batch) if job[1] == "pandas" else batch[1] for batch in batches]
                self.assertEqual((whole["id"], some["id"]), (expected, expected[part[0]:part[1]]), (seed, job[1], lines))

    def test_a_file_that_is_shorter_now_is_named(self):
        self.save("1.parquet", list(range(10)), 5)
        with self.assertRaises(InputError) as caught:
            self.tables(table(self.schema, "parquet")).read(self.keyed([["1.parquet", 0, 3], ["1.parquet", 9, 11]]))
        self.assertEqual(caught.exception.path, os.path.join(self.folder, "1.parquet"))
        with self.assertRaises(InputError) as caught:
            self.tables(table(self.schema, "parquet")).read(self.keyed([["2.parquet", 0, 3]]))
        self.assertEqual(caught.exception.errno, "ENOENT")


if __name__ == "__main__":
    unittest.main()
