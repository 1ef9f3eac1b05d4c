"""Scripts that do their worst: the worker goes on, or dies in a way that says why (fault catalogue, group A)."""
import builtins
import json
import os
import signal
import time

from .rig import HostTest


class Hostile(HostTest):
    def test_user_modules_called_like_ours(self):
        poison = "raise RuntimeError('the module of the user was imported')\n"
        names = ("json", "struct", "traceback", "linecache", "threading", "socket", "logging", "time", "csv")
        rig = self.started("def run(batch):\n    raise ValueError('x')\n", {name + ".py": poison for name in names})
        self.assertEqual(rig.run()["error"]["exceptionType"], "ValueError")

    def test_user_modules_on_pythonpath(self):
        rig = self.rig("import helper_of_mine\ndef run(batch):\n    return [helper_of_mine.X]\n")
        rig.write("other/json.py", "raise RuntimeError('imported')\n")
        rig.write("other/helper_of_mine.py", "X = 5\n")
        rig.environment["PYTHONPATH"] = rig.path("other")
        self.assertEqual(rig.start().run()["body"], b"5\n")

    def test_functions_replaced(self):
        rig = self.started("""
            import builtins, json, linecache, os, socket, struct, sys, threading, time, traceback
            def boom(*a, **k): raise RuntimeError("replaced")
            def run(batch):
                for module, names in ((json, ("dumps", "loads")), (os, ("write", "read", "fstat", "chdir", "umask", "lseek")),
                                      (time, ("time", "process_time", "perf_counter", "monotonic")),
                                      (struct, ("pack", "unpack")), (linecache, ("getline", "getlines")),
                                      (traceback, ("format_exc", "format_exception", "extract_tb")),
                                      (socket, ("socket",)), (builtins, ("open",))):
                    for name in names: setattr(module, name, boom)
                if batch[0].endswith("raise"): raise ValueError("mine")
                return ["fine"]
            """)
        self.assertEqual(rig.run()["body"], b"fine\n")
        end = rig.run(["raise"])
        self.assertEqual((end["error"]["exceptionType"], end["error"]["message"]), ("ValueError", "mine"))
        self.assertEqual(rig.run()["body"], b"fine\n")

    def test_junk_written_to_low_descriptors(self):
        rig = self.started("""
            import os
            def run(batch):
                for fd in range(3, 65):
                    try: os.write(fd, b"junk" * 100)
                    except OSError: pass
                os.closerange(3, 256)
                return ["fine"]
            """)
        for _ in range(3):
            self.assertEqual(rig.run()["body"], b"fine\n")

    def test_closed_standard_streams_are_open_again_for_the_next_mini_batch(self):
        rig = self.started("""
            import os, subprocess
            def run(batch):
                print("said")
                subprocess.run(["echo", "by a child"], check=True)
                os.close(1); os.close(2)
                return ["fine"]
            """)
        for _ in range(2):
            end = rig.run()
            self.assertEqual((end["m"], end["body"]), ("done", b"fine\n"))
        self.assertEqual(rig.stop()[1], 0)
        self.assertEqual(rig.stdout, "said\nby a child\n" * 2)

    def test_list_emptied_by_the_script(self):
        rig = self.started("def run(batch):\n    del batch[:]\n    return batch\n")
        end = rig.run(["a", "b", "c"])
        self.assertEqual((end["n"], end["k"], end["body"]), (3, 0, b""))

    def test_cwd_and_umask_start_afresh(self):
        rig = self.started("""
            import os
            def run(batch):
                old = os.umask(0); os.umask(old)
                here = os.getcwd()
                os.chdir("/"); os.umask(0o777)
                return [here, oct(old)]
            """)
        first, second = rig.run()["body"], rig.run()["body"]
        self.assertEqual(first, second)
        self.assertEqual(first.decode().splitlines()[0], rig.path("work"))

    def test_working_folder_deleted(self):
        rig = self.started("import os\ndef run(batch):\n    os.rmdir(os.getcwd())\n    return batch\n")
        self.assertEqual([rig.run()["m"], rig.run()["m"]], ["done", "done"])

    def test_terrible_exceptions(self):
        rig = self.started('''
            import sys
            class Mute(Exception):
                def __str__(self): raise RuntimeError("no text")
            class Meta(type):
                def __getattribute__(cls, name): raise RuntimeError("meta")
            class Liar(Exception):
                __module__ = 5
                def __str__(self): return 5
            def deep(n):
                return deep(n + 1)
            def run(batch):
                name = batch[0].rpartition("/")[2]
                if name == "mute": raise Mute()
                if name == "liar": raise Liar()
                if name == "huge": raise ValueError("x" * 100_000_000)
                if name == "wide": raise ValueError("\\U0001f600" * 1_000_000)
                if name == "deep": deep(0)
                if name == "deeper":
                    sys.setrecursionlimit(6000); deep(0)
                if name == "cycle":
                    a, b = ValueError("a"), ValueError("b")
                    a.__context__ = b; b.__context__ = a
                    raise a
                if name == "chain":
                    e = ValueError("0")
                    for i in range(1, 1001):
                        n = ValueError(str(i)); n.__cause__ = e; e = n
                    raise e
                if name == "surrogate": raise ValueError("\\udcff")
                if name == "notes":
                    e = ValueError("n"); e.__notes__ = ["first", Mute()]; raise e
                return ["fine"]
            ''')
        def error(name):
            end = rig.run([name])
            self.assertEqual(end["m"], "failed")
            found = end["error"]
            self.assertLessEqual(len(found["message"].encode("utf-8", "surrogatepass")), 8192)
            self.assertLessEqual(len(found["traceback"].encode("utf-8", "surrogatepass")), 65536)
            self.assertLessEqual(len(found["frames"]), 81)
            self.assertTrue(found["frames"][0]["own"])
            return found

        self.assertEqual(error("mute")["message"], "<str() of it raised RuntimeError>")
        self.assertEqual(error("liar")["exceptionType"], "Liar")
        self.assertTrue(error("huge")["message"].endswith("x ... (100000000 bytes in all)"))
        self.assertIn("(4000000 bytes in all)", error("wide")["message"])
        self.assertIn("Previous line repeated", error("deep")["traceback"])
        self.assertIn("frames left out", error("deeper")["traceback"])
        self.assertEqual(error("cycle")["message"], "a")
        chain = error("chain")["traceback"]
        self.assertIn("971 more exceptions of this chain left out", chain)
        self.assertEqual((chain.splitlines()[0], chain.splitlines()[-1]), ("ValueError: 0", "ValueError: 1000"))
        self.assertEqual(error("surrogate")["message"], "\udcff")
        self.assertEqual(error("notes")["traceback"].splitlines()[-2:], ["first", "<str() of it raised RuntimeError>"])
        self.assertEqual(rig.run(["x"])["body"], b"fine\n")

    def test_exception_group(self):
        if not hasattr(builtins, "ExceptionGroup"):
            self.skipTest("this Python has no ExceptionGroup")
        rig = self.started("""
            def run(batch):
                nested = ValueError("v")
                for _ in range(50): nested = ExceptionGroup("g", [nested, KeyError("k")])
                raise nested
            """)
        error = rig.run()["error"]
        self.assertEqual(error["exceptionType"], "ExceptionGroup")
        self.assertIn("KeyError: 'k'", error["traceback"])
        self.assertIn("nested too deep", error["traceback"])

    def test_forked_child_that_comes_back(self):
        rig = self.started("""
            import os
            def run(batch):
                pid = os.fork()
                if pid == 0: return ["child"]
                return [os.waitpid(pid, 0)[1]]
            """)
        self.assertEqual([rig.run(index=i)["body"] for i in range(3)], [b"0\n"] * 3)
        self.assertEqual(rig.stop()[1], 0)

    def test_forked_child_does_not_hold_the_channel(self):
        rig = self.started("""
            import os, time
            def run(batch):
                if os.fork() == 0:
                    time.sleep(60)
                    os._exit(0)
                return ["parent"]
            """)
        self.assertEqual(rig.run()["body"], b"parent\n")
        rig.process.kill()
        self.assertEqual(rig.rest()[1], -signal.SIGKILL)

    def test_multiprocessing_in_run(self):
        for method in ("fork", "spawn"):
            with self.subTest(method):
                rig = self.started("""
                    import multiprocessing
                    def work(name):
                        return multiprocessing.current_process().name.split(":")[0] + name[-1:]
                    def run(batch):
                        with multiprocessing.get_context("%s").Pool(2) as pool:
                            return sorted(pool.map(work, batch)) + [len(pool.map(len, [batch, batch]))]
                    """ % method)
                self.assertEqual(rig.run(["a", "b"])["body"].decode().split()[2], "2")
                self.assertEqual(rig.stop()[1], 0)

    def test_alarm_left_behind(self):
        rig = self.started("""
            import signal
            def on_alarm(number, frame): raise TimeoutError("alarm")
            signal.signal(signal.SIGUSR2, on_alarm)
            def run(batch):
                return ["fine"]
            """)
        rig.run()
        self.until(lambda: _state(rig.process.pid) == "S")
        os.kill(rig.process.pid, signal.SIGUSR2)
        self.assertEqual(rig.run()["body"], b"fine\n")
        self.assertEqual(rig.stop()[1], 0)
        self.assertIn("ignored between two mini-batches: TimeoutError: alarm", rig.stderr)

    def test_stacks_on_demand(self):
        rig = self.started("""
            import os, threading, time
            def waits_here(path):
                while not os.path.exists(path): time.sleep(0.005)
            def run(batch):
                os.close(2)
                open("ready", "w").close()
                waits_here(batch[0])
                return ["fine"]
            """)
        rig.queue({"kind": "files", "root": rig.path("data"), "files": ["go"]})
        self.until(lambda: os.path.exists(rig.path("work/ready")))
        os.kill(rig.process.pid, signal.SIGUSR1)
        self.until(lambda: "in waits_here" in rig.stderr and "in run" in rig.stderr)
        rig.write("data/go", "")
        self.assertEqual(rig.next("done")["body"], b"fine\n")

    def test_deaths(self):
        for statement, code in (("os._exit(0)", 0), ("os._exit(3)", 3), ("ctypes.string_at(0)", -signal.SIGSEGV),
                                ("os.kill(os.getpid(), 9)", -signal.SIGKILL)):
            with self.subTest(statement):
                rig = self.started("import ctypes, os\ndef run(batch):\n    %s\n" % statement)
                rig.queue({"kind": "files", "root": "/", "files": ["a"]})
                messages, found = rig.rest()
                self.assertEqual(([m["m"] for m in messages], found), (["begin"], code))
                if code == -signal.SIGSEGV:
                    self.assertIn("Segmentation fault", rig.stderr)
                    self.assertIn("in run", rig.stderr)

    def test_dies_with_its_agent(self):
        if not os.path.isdir("/proc/self"):
            self.skipTest("needs Linux")
        rig = self.rig("import time\ndef run(batch):\n    time.sleep(60)\n")
        pid = os.fork()
        if pid == 0:  # the agent of this test
            try:
                rig.start()
                rig.queue({"kind": "files", "root": "/", "files": ["a"]})
                rig.next("begin")
                rig.write("worker", json.dumps(rig.process.pid))
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
        worker = int(rig.read("worker"))
        self.until(lambda: not _alive(worker))

    def test_memory_error(self):
        rig = self.started("""
            import resource
            def run(batch):
                if batch[0].endswith("big"):
                    resource.setrlimit(resource.RLIMIT_AS, (600 << 20, resource.RLIM_INFINITY))
                    keep = [bytearray(50 << 20) for _ in range(1000)]
                return ["fine"]
            """)
        self.assertEqual(rig.run(["big"])["error"]["exceptionType"], "MemoryError")
        for index in range(3):
            self.assertEqual(rig.run()["body"], b"fine\n")

    def until(self, condition):
        deadline = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), deadline, "not in time")
            time.sleep(0.005)


def _alive(pid):
    return _state(pid) not in "ZX"


def _state(pid):
    """Letter of the process state; X where it is gone."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "X"
