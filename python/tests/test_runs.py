"""run() as the agent sees it: order, times, exceptions, returns, and what it prints."""
import os

from .rig import HostTest


class Outcomes(HostTest):
    def test_begin_and_done(self):
        rig = self.started("def run(batch):\n    return batch\n")
        end = rig.run(["a"], index=7)
        begin = end.pop("begin")
        self.assertEqual((begin["m"], begin["i"], begin["d"]), ("begin", 7, 1))
        self.assertEqual(sorted(end), sorted(["m", "i", "d", "n", "w", "c", "r", "o", "k", "body"]))
        self.assertEqual((end["n"], end["k"], end["body"].decode()), (1, 1, rig.path("data/a") + "\n"))
        self.assertEqual(begin["w"], end["w"][0])
        self.assertLessEqual(end["w"][0], end["w"][1])
        self.assertLessEqual(end["c"][0], end["c"][1])
        self.assertGreaterEqual(end["r"], 0)

    def test_several_waiting_run_in_order_one_at_a_time(self):
        rig = self.started("def run(batch):\n    return batch\n")
        for index in range(50):
            rig.queue({"kind": "files", "root": "/", "files": [str(index)]}, index)
        got = [rig.next() for _ in range(100)]
        self.assertEqual([(m["m"], m["i"]) for m in got],
                         [pair for index in range(50) for pair in (("begin", index), ("done", index))])
        self.assertEqual([m["body"] for m in got[1::2]], [b"/%d\n" % index for index in range(50)])

    def test_many_items(self):
        rig = self.started("def run(batch):\n    return [len(batch), batch[-1]]\n")
        names = ["some/folder/file%07d.png" % number for number in range(300000)]
        end = rig.run(names)
        self.assertEqual((end["n"], end["k"], end["body"].decode().splitlines()),
                         (300000, 2, ["300000", rig.path("data/" + names[-1])]))

    def test_exception(self):
        rig = self.started("""
            class Strange(Exception):
                pass

            def helper(value):
                raise Strange("no " + value)

            def run(batch):
                helper("way")
            """)
        error = rig.run()["error"]
        self.assertEqual((error["kind"], error["exceptionType"], error["message"]),
                         ("exception", "score.Strange", "no way"))
        self.assertEqual(error["frames"], [
            {"file": "score.py", "line": 9, "function": "run", "own": True, "text": 'helper("way")'},
            {"file": "score.py", "line": 6, "function": "helper", "own": True, "text": 'raise Strange("no " + value)'},
        ])
        lines = error["traceback"].splitlines()
        self.assertEqual(lines[0], "Traceback (most recent call last):")
        self.assertIn('File "%s", line 9, in run' % rig.path("code/score.py"), lines[1])
        self.assertEqual(lines[-1], "score.Strange: no way")

    def test_frames_of_libraries_are_not_own(self):
        rig = self.started("import json\ndef run(batch):\n    json.loads('{')\n")
        frames = rig.run()["error"]["frames"]
        self.assertEqual([f["own"] for f in frames], [True] + [False] * (len(frames) - 1))
        self.assertTrue(os.path.isabs(frames[-1]["file"]))

    def test_worker_lives_on_after_anything_raised(self):
        rig = self.started("""
            import sys
            class Own(BaseException): pass
            def run(batch):
                name = batch[0].rpartition("/")[2]
                if name == "exit": sys.exit(0)
                if name == "interrupt": raise KeyboardInterrupt
                if name == "own": raise Own("o")
                if name == "generator": raise GeneratorExit
                if name == "memory": raise MemoryError
                return [name]
            """)
        for name, kind in (("exit", "SystemExit"), ("interrupt", "KeyboardInterrupt"), ("own", "score.Own"),
                           ("generator", "GeneratorExit"), ("memory", "MemoryError")):
            end = rig.run([name])
            self.assertEqual((end["m"], end["error"]["exceptionType"]), ("failed", kind))
        self.assertEqual(rig.run(["fine"])["body"], b"fine\n")
        self.assertEqual(rig.stop()[1], 0)

    def test_invalid_returns_name_type_and_place(self):
        rig = self.started("""
            import datetime

            def deco(f):
                return f

            @deco
            @deco
            def run(batch):
                return {"none": None, "str": "text", "bytes": b"b", "int": 5, "dict": {}, "set": {1},
                        "map": map(str, []), "date": datetime.date(2020, 1, 1)}[batch[0].rpartition("/")[2]]
            """)
        for name, returned in (("none", "NoneType"), ("str", "str"), ("bytes", "bytes"), ("int", "int"),
                               ("dict", "dict"), ("set", "set"), ("map", "map"), ("date", "datetime.date")):
            self.assertEqual(rig.run([name])["error"], {
                "kind": "invalid-return", "returned": returned,
                "frame": {"file": "score.py", "line": 9, "function": "run", "own": True, "text": "def run(batch):"}})

    def test_summary_only_counts(self):
        rig = self.started("""
            def run(batch):
                return {"list": [object(), 1], "empty": [], "generator": (i for i in range(1000)),
                        "none": None}[batch[0].rpartition("/")[2]]
            """, output={"action": "summary_only"})
        self.assertEqual([(end["k"], end["body"]) for end in (rig.run([n]) for n in ("list", "empty", "generator"))],
                         [(2, b""), (0, b""), (1000, b"")])
        self.assertEqual(rig.run(["none"])["error"]["returned"], "NoneType")


class Output(HostTest):
    def test_marks_enclose_what_a_try_printed(self):
        rig = self.started("""
            import logging, os, subprocess, sys
            print("at import")
            def run(batch):
                name = batch[0].rpartition("/")[2]
                print("out", name, end="")
                sys.stderr.write("err " + name)
                logging.warning("log " + name)
                sys.stdout.flush()
                os.write(1, b"|raw")
                subprocess.run(["echo", "|child"])
                return batch
            """)
        for name in ("a", "bb"):
            end = rig.run([name])
            stdout = rig.read("stdout")[end["begin"]["o"][0]:end["o"][0]]
            stderr = rig.read("stderr")[end["begin"]["o"][1]:end["o"][1]]
            self.assertEqual(stdout, b"out %s|raw|child\n" % name.encode())
            self.assertEqual(stderr, b"err %sWARNING:root:log %s\n" % (name.encode(), name.encode()))

    def test_lines_of_c(self):
        rig = self.started("""
            import ctypes
            libc = ctypes.CDLL(None)
            def run(batch):
                libc.puts(b"from c")
                print("from python")
                return batch
            """)
        end = rig.run()
        self.assertEqual(rig.read("stdout")[end["begin"]["o"][0]:end["o"][0]], b"from c\nfrom python\n")

    def test_streams_replaced_closed_or_gone(self):
        for what in ("os.close(1); os.close(2)", "sys.stdout.close(); sys.stderr.close()",
                     "sys.stdout = sys.stderr = None", "sys.stdout = sys.stderr = io.StringIO()",
                     "sys.stdout = sys.stderr = 5", "del sys.stdout, sys.stderr",
                     "os.dup2(os.open(os.devnull, os.O_WRONLY), 1)", "print('x', end=''); os.close(1)"):
            with self.subTest(what):
                rig = self.started("import io, os, sys\ndef run(batch):\n    %s\n    return ['r']\n" % what)
                self.assertEqual(rig.run()["body"], b"r\n")
                self.assertEqual(rig.stop()[1], 0)

    def test_unbuffered_environment_still_writes_whole_lines(self):
        rig = self.rig("import sys\ndef run(b):\n    print('a', 'b', 'c')\n    return [sys.stdout.line_buffering]\n")
        rig.environment["PYTHONUNBUFFERED"] = "1"
        self.assertEqual(rig.start().run()["body"], b"True\n")
        self.assertEqual(rig.stdout, "a b c\n")

    def test_names_that_are_no_utf8_can_be_printed(self):
        rig = self.started("def run(batch):\n    print(batch[0])\n    return batch\n")
        end = rig.run(["x\udcff"])
        self.assertEqual(end["body"].decode(), rig.path("data/x\\udcff\n"))
        self.assertIn("x\\udcff", rig.stdout)

    def test_undecodable_name_opens(self):
        rig = self.started("def run(batch):\n    return [open(name).read() for name in batch]\n")
        rig.write("data/x\udcff", "content")
        self.assertEqual(rig.run(["x\udcff"])["body"], b"content\n")
