"""Parts of a mini-batch, and which item a failure is about."""
import os
import unittest

from parallelrun_host.minibatch import position_of_file

from .rig import HostTest, have
from .test_tables import table

NAMES = ["a", "b", "c", "d", "e"]


class Files(HostTest):
    def test_a_part_looks_like_a_mini_batch_of_its_items(self):
        rig = self.started("""
            def run(batch, context):
                assert isinstance(batch, list) and batch.minibatch_index == batch.task_id == context.minibatch_index == 7
                return [len(batch), context.try_number] + batch
            """)
        for part, names in (((1, 3), "bc"), ((0, 1), "a"), ((4, 5), "e"), ((0, 5), "abcde"), (None, "abcde")):
            end = rig.run(NAMES, index=7, try_number=3, part=part)
            self.assertEqual((end["m"], end["n"], end["i"]), ("done", len(names), 7))
            self.assertEqual(end["body"].decode().splitlines(),
                             [str(len(names)), "3"] + [rig.path("data/" + name) for name in names])

    def test_the_part_file_is_that_of_the_dispatch(self):
        rig = self.started("def run(batch):\n    return ['x' * 100000 for _ in batch]\n")
        ends = [rig.run(NAMES, index=4, part=part) for part in ((0, 2), (2, 5))]
        self.assertEqual([end["part"] for end in ends],
                         [{"path": rig.path("parts/4.1.part"), "bytes": 200002},
                          {"path": rig.path("parts/4.2.part"), "bytes": 300003}])

    def test_a_part_that_is_none_breaks_the_protocol(self):
        files = {"kind": "files", "root": "/", "files": NAMES}
        for source, part in ((files, (2, 2)), (files, (3, 2)), (files, (0, 6)), (files, (-1, 2)), (files, (1,)),
                             ({"kind": "rank", "rank": 0}, (0, 1))):
            with self.subTest(part=part):
                rig = self.started("def run(batch):\n    return batch\n")
                rig.queue(source, 3, 1, part)
                self.assertEqual(rig.rest(), ([], 76))
                self.assertIn("source of mini-batch 3", rig.stderr)


@unittest.skipUnless(have("pandas"), "pandas is not installed for this Python")
class Rows(HostTest):
    SCHEMA = (("id", "int64"), ("x", "float64"), ("maybe", "nullable-bool"), ("text", "string"))
    ROWS = ('1,0.5,True,a\n', '2,1,,"b\nb"\n', ' \n', '3,,False,NA\r\n', '4,2,,\n', '5,7,True,"q""q"')

    def slices(self, rig, rows=ROWS, count=5):
        head, data = b"id,x,maybe,text\n", "".join(rows).encode("latin-1")
        path = rig.write("data/a.csv", head + data)
        return {"kind": "rows", "file": path, "start": len(head), "end": len(head) + len(data), "firstRow": 10,
                "rows": count, "table": 0}

    def test_parts_have_the_rows_and_types_of_the_whole(self):
        rig = self.started("""
            import warnings
            warnings.simplefilter("error")  # such as "a value is trying to be set on a copy of a slice"
            def run(frame):
                frame["more"] = 1
                return [list(frame.index), [str(kind) for kind in frame.dtypes]] + frame.values.tolist()
            """, tables=[table(self.SCHEMA)])
        source = self.slices(rig)
        whole = rig.run_source(source)["body"].decode().splitlines()
        self.assertEqual((whole[0], whole[6]), ("[0, 1, 2, 3, 4]", "[5, 7.0, True, 'q\"q', 1]"))
        for start in range(5):
            for end in range(start + 1, 6):
                got = rig.run_source(source, part=(start, end))
                self.assertEqual((got["m"], got["n"]), ("done", end - start))
                self.assertEqual(got["body"].decode().splitlines(),
                                 [str(list(range(end - start))), whole[1]] + whole[2 + start:2 + end])

    def test_a_row_that_cannot_be_read_keeps_only_its_own_part_from_being_run(self):
        for bad in ("x,1,,t\n", "4,2,perhaps,t\n", "4,2,,t,more\n", "4,2,,\xff\n"):
            rows = list(self.ROWS)
            rows[4] = bad
            rig = self.started("def run(frame):\n    return frame['id'].tolist()\n", tables=[table(self.SCHEMA)])
            source = self.slices(rig, rows)
            for part, expected in (((0, 3), b"1\n2\n3\n"), ((4, 5), b"5\n"), ((1, 2), b"2\n"), ((2, 4), None),
                                   ((3, 4), None), ((0, 5), None), (None, None)):
                with self.subTest(bad=bad, part=part):
                    end = rig.run_source(source, part=part)
                    if expected is None:
                        self.assertEqual(end["error"]["kind"], "input-error")
                        self.assertIn("a.csv", end["error"]["path"])
                    else:
                        self.assertEqual((end["m"], end["n"], end["body"]), ("done", expected.count(b"\n"), expected))

    def test_of_a_file_that_was_changed_no_part_is_read(self):
        rig = self.started("def run(frame):\n    return frame['id'].tolist()\n", tables=[table(self.SCHEMA)])
        source = dict(self.slices(rig), rows=6)
        self.assertIn("hold 5 rows, but 6 were counted", rig.run_source(source, part=(0, 2))["error"]["reason"])
        os.unlink(source["file"])
        self.assertEqual(rig.run_source(source, part=(0, 2))["error"]["errno"], "ENOENT")


class ItemOfAFailure(HostTest):
    def test_row_that_cannot_be_encoded(self):
        rig = self.started("""
            class Mute:
                def __str__(self):
                    raise ValueError("no text")
            def run(batch):
                count, bad, lazy = eval(batch[0].rpartition("/")[2])
                rows = [Mute() if row == bad else "text" for row in range(count)]
                return (row for row in rows) if lazy else rows
            """)
        cases = (
            ((5, 3, False), None, 3), ((5, 3, True), None, 3), ((5, 0, False), None, 0),
            ((4, 3, False), None, None), ((6, 3, False), None, None), ((4, 3, True), None, None),
            ((600, 1, True), None, None), ((2, 1, False), (0, 2), 1), ((2, 1, True), (0, 2), 1),
            ((5, 3, False), (0, 2), None),
        )
        for case, part, item in cases:
            with self.subTest(case=case, part=part):
                end = rig.run([str(case)] + NAMES[1:], part=part)
                self.assertEqual((end["error"]["kind"], end["error"]["row"]), ("unencodable-row", case[1]))
                self.assertEqual(end.get("item"), item)
        # a generator of more than is looked at in one piece: its end is not known, a row an item fits so far
        end = rig.run(["(600, 1, True)"] + ["x"] * 599)
        self.assertEqual(end["item"], 1)

    def test_row_of_a_part_counts_in_the_whole(self):
        rig = self.started("""
            class Mute:
                def __str__(self):
                    raise ValueError("no text")
            def run(batch):
                return [Mute() if name.endswith("/d") else name for name in batch]
            """)
        self.assertEqual([rig.run(NAMES, part=part)["item"] for part in (None, (0, 4), (2, 5), (3, 4))], [3] * 4)

    def test_file_that_the_system_names(self):
        rig = self.started("""
            def run(batch):
                for name in batch:
                    try:
                        open(name).close()
                    except OSError as error:
                        if name.endswith("/b"):
                            raise RuntimeError("cannot read it") from error
                        raise
                    open("/not/there")
            """)
        for name in ("a", "c"):
            rig.write("data/" + name, "")
        end = rig.run(["d", "a"])
        self.assertEqual((end["error"], end["item"]), ({
            "kind": "input-error", "path": rig.path("data/d"), "reason": "No such file or directory", "errno": "ENOENT",
        }, 0))
        self.assertNotIn("item", rig.run(["a", "d"]))  # it names another file
        end = rig.run(["d", "d2", "b"], part=(2, 3))
        self.assertEqual((end["error"]["exceptionType"], end["item"]), ("RuntimeError", 2))

    def test_position_of_file(self):
        body = b'{"kind":"files","root":"/data/","files":["a","b/c","\\udcff"]}'
        for name, part, position in (
            ("/data/a", None, 0), ("/data/b/c", None, 1), ("/data/\udcff", None, 2), ("/data/b/c", [1, 3], 1),
            ("/data/a", [1, 3], None), ("/data/x", None, None), ("a", None, None), (b"/data/a", None, None),
            (3, None, None), (None, None, None),
        ):
            self.assertEqual(position_of_file(OSError(2, "no", name), body, part), position, (name, part))
        self.assertIsNone(position_of_file(ValueError("/data/a"), body, None))
        self.assertIsNone(position_of_file(OSError(2, "no", "/data/a"), b'{"kind":"rank","rank":0}', None))


class PeakMemory(HostTest):
    MIB = 1024 * 1024

    def test_is_that_of_the_worker(self):
        weight = b"x" * (200 * self.MIB)  # the test is the process that starts the worker
        rig = self.started("""
            def run(batch):
                if batch[0].endswith("large"):
                    len(b"y" * (100 << 20))
                raise ValueError("no")
            """)
        small, large = rig.run(["small"])["rss"], rig.run(["large"])["rss"]
        self.assertEqual(len(weight), 200 * self.MIB)
        self.assertTrue(4 * self.MIB < small < 150 * self.MIB, small)
        self.assertTrue(100 * self.MIB < large < 180 * self.MIB, large)
        self.assertEqual(rig.run(["small"])["rss"] // self.MIB, large // self.MIB)

    def test_is_asked_for_only_where_a_try_failed(self):
        rig = self.started("def run(batch):\n    return batch\n")
        self.assertNotIn("rss", rig.run())
        rig.queue({"kind": "files", "root": "/", "files": []})
        self.assertNotIn("rss", rig.next("done"))
