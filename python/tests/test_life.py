"""From hello to bye: what a script finds at its start, what load, init and shutdown errors say, how a worker ends."""
import json
import os
import socket
import subprocess
import sys
import time

from parallelrun_host.frames import frame

from .rig import HOST, HostTest

IDENTITY = "def run(mini_batch):\n    return mini_batch\n"


class Start(HostTest):
    def test_what_a_script_finds(self):
        rig = self.started(
            """
            import json, multiprocessing, os, socket, sys
            import sibling

            def seen():
                return {
                    "argv": sys.argv, "cwd": os.getcwd(), "process": multiprocessing.current_process().name,
                    "path0": sys.path[0], "ip": socket.gethostbyname(socket.gethostname()),
                    "ip_ex": list(socket.gethostbyname_ex(socket.gethostname())),
                    "info": socket.getaddrinfo(socket.gethostname(), 80, socket.AF_INET, socket.SOCK_STREAM)[0][4],
                    "localhost": socket.gethostbyname("127.0.0.1"), "name": __name__, "file": __file__,
                    "sibling": sibling.WHO, "stdin": sys.stdin.read(),
                }

            AT_IMPORT = seen()

            def init():
                AT_IMPORT["init"] = seen() == {k: v for k, v in AT_IMPORT.items() if k != "init"}

            def run(mini_batch):
                return [json.dumps(AT_IMPORT)]
            """,
            {"sibling.py": "WHO = 'sibling'\n"},
            argv=["--model", "a b"],
        )
        seen = json.loads(rig.run()["body"].decode())
        self.assertEqual(seen, {
            "argv": [rig.path("code/score.py"), "--model", "a b"], "cwd": rig.path("work"), "process": "Process-3",
            "path0": rig.code, "ip": "10.1.2.3", "ip_ex": [socket.gethostname(), [], ["10.1.2.3"]],
            "info": ["10.1.2.3", 80], "localhost": "127.0.0.1", "name": "score", "file": rig.path("code/score.py"),
            "sibling": "sibling", "stdin": "", "init": True,
        })

    def test_hello_and_stages(self):
        rig = self.rig(IDENTITY).spawn()
        rig.send(rig.hello)
        hello = rig.next()
        self.assertEqual(
            {key: hello[key] for key in ("m", "protocol", "pid", "language", "version")},
            {"m": "hello", "protocol": 1, "pid": rig.process.pid, "language": "python",
             "version": sys.version.split()[0]},
        )
        for name in ("loaded", "initialized"):
            message = rig.next()
            self.assertEqual(message["m"], name)
            self.assertGreaterEqual(message["s"], 0)
        messages, code = rig.stop()
        self.assertEqual([message["m"] for message in messages], ["bye"])
        self.assertEqual((code, rig.stdout, rig.stderr), (0, "", ""))

    def test_module_in_a_package(self):
        rig = self.rig("", {"pkg/__init__.py": "", "pkg/main.py": "from . import part\nrun = part.run\n",
                            "pkg/part.py": "def run(batch):\n    return [__name__]\n"})
        rig.hello.update(moduleName="pkg.main", script=rig.path("code/pkg/main.py"))
        self.assertEqual(rig.start().run()["body"], b"pkg.part\n")

    def test_script_called_like_a_module_in_use(self):
        rig = self.rig("", {"json.py": "import json\ndef run(batch):\n    return [json.__name__, __name__]\n"})
        rig.hello.update(moduleName="json", script=rig.path("code/json.py"))
        self.assertEqual(rig.start().run()["body"], b"json\njson\n")

    def test_second_argument_only_where_it_is_taken(self):
        for signature, expected in (
            ("mini_batch", "1"), ("a, b", "2"), ("batch, mini_batch_context", "2"), ("batch, context=1", "2"),
            ("batch, other=None", "2"), ("batch, threshold=0.5", "1"), ("*args", "1"), ("batch, *, option=1", "1"),
            ("batch, context, option=3", "2"),
        ):
            with self.subTest(signature):
                rig = self.started("def run(%s):\n    return [len([v for v in locals().values() if "
                                   "type(v).__name__ in ('MiniBatch', 'MiniBatchContext')] or args)]\n" % signature)
                self.assertEqual(rig.run()["body"].decode(), expected + "\n")

    def test_context_and_list(self):
        rig = self.started("""
            def run(files, context):
                return [list(files), files.task_id, files.minibatch_index, context.minibatch_index,
                        context.try_number, context.partition_key_value, context.dataset]
            """)
        end = rig.run(["a b", "sub/c"], index=41, try_number=2)
        data = rig.path("data")
        self.assertEqual(end["body"].decode().splitlines(),
                         [repr([data + "/a b", data + "/sub/c"]), "41", "41", "41", "2", "{}", "None"])
        self.assertEqual((end["n"], end["k"]), (2, 7))

    def test_rank(self):
        rig = self.started("def run(mini_batch):\n    return [repr(mini_batch), 'r']\n")
        end = rig.run_source({"kind": "rank", "rank": 5}, 5)
        self.assertEqual((end["m"], end["n"], end["k"], end["body"]), ("done", 0, 2, b"[]\nr\n"))


class StageErrors(HostTest):
    def stage_error(self, text, files=None, **hello):
        rig = self.rig(text, files)
        rig.hello.update(hello)
        rig.spawn()
        rig.send(rig.hello)
        error = rig.next("stage-error")
        messages, code = rig.rest()
        self.assertEqual(([message["m"] for message in messages], code), ([], 1))
        return error["stage"], error["error"], rig

    def test_syntax_error(self):
        stage, error, _ = self.stage_error("import os\n\ndef run(batch)\n    return batch\n")
        self.assertEqual((stage, error["kind"], error["exceptionType"]), ("load", "exception", "SyntaxError"))
        frame = error["frames"][-1]
        self.assertEqual((frame["file"], frame["line"], frame["own"], frame["text"]),
                         ("score.py", 3, True, "def run(batch)"))
        self.assertIn("def run(batch)", error["traceback"])

    def test_import_error_in_a_sibling(self):
        stage, error, _ = self.stage_error("import sibling\n", {"sibling.py": "\nimport not_there_at_all\n"})
        self.assertEqual((stage, error["exceptionType"], error["message"]),
                         ("load", "ModuleNotFoundError", "No module named 'not_there_at_all'"))
        self.assertEqual([(f["file"], f["line"], f["function"], f["own"]) for f in error["frames"]],
                         [("score.py", 1, "<module>", True), ("sibling.py", 2, "<module>", True)])
        self.assertNotIn("parallelrun_host", error["traceback"])
        self.assertNotIn("importlib", error["traceback"])

    def test_exit_and_interrupt_at_import(self):
        for statement, kind, message in (("raise SystemExit(0)", "SystemExit", "0"),
                                         ("raise KeyboardInterrupt", "KeyboardInterrupt", "")):
            stage, error, _ = self.stage_error(statement + "\n")
            self.assertEqual((stage, error["exceptionType"], error["message"]), ("load", kind, message))

    def test_no_run(self):
        for text in ("", "run = 5\n"):
            stage, error, _ = self.stage_error(
                "from os import getcwd\ndef init(): pass\ndef Run(batch): pass\nVALUE = 1\n" + text)
            self.assertEqual((stage, error),
                             ("load", {"kind": "no-run-function", "file": "score.py", "defined": ["Run", "init"]}))

    def test_wrong_arity(self):
        stage, error, _ = self.stage_error("import os\n\n\ndef run():\n    pass\n")
        self.assertEqual((stage, error["exceptionType"]), ("load", "TypeError"))
        self.assertEqual(error["frames"], [
            {"file": "score.py", "line": 4, "function": "run", "own": True, "text": "def run():"}])
        self.assertIn("write run(mini_batch)", error["message"])

    def test_init_raises(self):
        stage, error, _ = self.stage_error("def init():\n    open('/not/there')\ndef run(b): return b\n")
        self.assertEqual((stage, error["exceptionType"], error["frames"][0]["line"]), ("init", "FileNotFoundError", 2))

    def test_init_may_return_anything_and_fork(self):
        rig = self.started("""
            import os
            class Odd:
                def __bool__(self): raise ValueError("no truth")
            def init():
                os.fork()
                return Odd()
            def run(batch): return ["fine"]
            """)
        self.assertEqual(rig.run()["body"], b"fine\n")
        self.assertEqual(rig.stop()[1], 0)

    def test_missing_script(self):
        stage, error, _ = self.stage_error("", moduleName="other", script="/not/there.py")
        self.assertEqual((stage, error["exceptionType"], error["message"]),
                         ("load", "ModuleNotFoundError", "No module named 'other'"))
        self.assertEqual(error["frames"], [])

    def test_shutdown_raises(self):
        rig = self.started("def run(b): return b\ndef shutdown():\n    raise ValueError('late')\n")
        messages, code = rig.stop()
        self.assertEqual([message["m"] for message in messages], ["stage-error", "bye"])
        self.assertEqual((messages[0]["stage"], messages[0]["error"]["message"], code), ("shutdown", "late", 0))


class End(HostTest):
    def test_shutdown_is_called_once_and_flushed(self):
        rig = self.started("import sys\ndef run(b): return b\ndef shutdown(): sys.stdout.write('over')\n")
        rig.run()
        messages, code = rig.stop()
        self.assertEqual(([message["m"] for message in messages], code, rig.stdout), (["bye"], 0, "over"))

    def test_stop_drops_what_has_not_begun(self):
        rig = self.started("""
            import os, time
            def run(batch):
                while not os.path.exists(batch[0]): time.sleep(0.005)
                return batch
            """)
        for index in range(3):
            rig.queue({"kind": "files", "root": rig.path("data"), "files": ["go"]}, index)
        rig.next("begin")
        rig.send({"m": "stop"})
        rig.write("data/go", "")
        messages, code = rig.rest()
        self.assertEqual(([message["m"] for message in messages], messages[0]["i"], code), (["done", "bye"], 0, 0))

    def test_closing_the_channel_means_stop(self):
        rig = self.started("def run(b): return b\ndef shutdown(): print('over')\n")
        rig.channel.shutdown(socket.SHUT_WR)
        messages, code = rig.rest()
        self.assertEqual(([message["m"] for message in messages], code, rig.stdout), (["bye"], 0, "over\n"))

    def test_agent_gone_altogether(self):
        rig = self.started("def run(b): return b\ndef shutdown(): print('over')\n")
        rig.channel.close()
        self.assertEqual((rig.wait(), rig.stdout), (0, "over\n"))

    def test_threads_and_exit_handlers_that_hang(self):
        rig = self.started("""
            import atexit, threading, time
            threading.Thread(target=time.sleep, args=(600,)).start()
            atexit.register(time.sleep, 600)
            def run(b): return b
            """)
        started = time.monotonic()
        messages, code = rig.stop()
        self.assertEqual(([message["m"] for message in messages], code), (["bye"], 0))
        self.assertLess(time.monotonic() - started, 25)

    def test_broken_channel_messages(self):
        for data, text in ((b"Traceback (most recent call last):", "PR2901 the channel to the agent is broken"),
                           (frame({"m": "run", "i": 0, "d": 1, "t": 1}), "'run' instead of hello")):
            rig = self.rig(IDENTITY).spawn()
            rig.channel.sendall(data)
            self.assertEqual(rig.wait(), 76)
            self.assertIn(text, rig.stderr.splitlines()[-1])

    def test_other_protocol_version(self):
        rig = self.rig(IDENTITY, protocol=99).spawn()
        rig.send(rig.hello)
        messages, code = rig.rest()
        self.assertEqual(([message["m"] for message in messages], code), (["hello"], 76))
        self.assertIn("the agent speaks protocol 99, this host 1", rig.stderr.splitlines()[-1])

    def test_started_by_hand(self):
        for fd in (None, os.open(os.devnull, os.O_RDWR)):
            done = subprocess.run(
                [sys.executable, HOST], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                close_fds=False, preexec_fn=(lambda: os.dup2(fd, 3)) if fd is not None else None)
            self.assertEqual((done.returncode, done.stdout), (2, b""))
            self.assertIn(b"PR2901 descriptor 3 is not a channel", done.stderr.splitlines()[-1])
            if fd is not None:
                os.close(fd)

    def test_broken_source_ends_the_worker(self):
        rig = self.started(IDENTITY)
        with rig.held():
            rig.queue({"kind": "rank", "rank": 0})
            rig.send({"m": "run", "i": 1, "d": 1, "t": 1}, b"[]")
        messages, code = rig.rest()
        self.assertEqual(([message["m"] for message in messages], code), (["begin", "done"], 76))
        self.assertIn("source of mini-batch 1", rig.stderr.splitlines()[-1])
        rig = self.started(IDENTITY)
        rig.send({"m": "run", "i": 0, "d": 1, "t": 1}, b'{"kind":"unheard of"}')
        messages, code = rig.rest()
        self.assertEqual(([message["m"] for message in messages], code), ([], 76))
