"""Debugger, post mortem and profile. The tests with debugpy drive it with a client of their own."""
import json
import os
import pstats
import pty
import socket
import subprocess
import sys
import unittest

from parallelrun_host.debug import with_breakpoint

from .rig import HOST, HostTest, have


class DapClient:
    """The least of the Debug Adapter Protocol that attaches and looks at a stop."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), 30)
        self._file = self._socket.makefile("rb")
        self._sequence = 0
        self._events = []

    def close(self):
        self._file.close()
        self._socket.close()

    def send(self, command, **arguments):
        self._sequence += 1
        data = json.dumps({"seq": self._sequence, "type": "request", "command": command, "arguments": arguments}).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n" % len(data) + data)
        return self._sequence

    def _read(self):
        length = 0
        while True:
            line = self._file.readline()
            if not line:
                raise EOFError("the debugger closed the connection")
            if line == b"\r\n":
                return json.loads(self._file.read(length))
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])

    def request(self, command, **arguments):
        return self.response(self.send(command, **arguments))

    def response(self, sequence):
        while True:
            message = self._read()
            if message["type"] == "event":
                self._events.append(message)
            elif message["type"] == "response" and message["request_seq"] == sequence:
                if not message["success"]:
                    raise AssertionError(message)
                return message.get("body") or {}

    def event(self, name):
        while True:
            for at, message in enumerate(self._events):
                if message["event"] == name:
                    return self._events.pop(at).get("body") or {}
            message = self._read()
            if message["type"] == "event":
                self._events.append(message)

    def attach(self):
        self.request("initialize", adapterID="test", clientID="test", pathFormat="path", linesStartAt1=True)
        attaching = self.send("attach", justMyCode=True)
        self.event("initialized")
        self.request("configurationDone")
        self.response(attaching)

    def where(self):
        """(path, line, function) of the stop that comes next."""
        stopped = self.event("stopped")
        top = self.request("stackTrace", threadId=stopped["threadId"], startFrame=0, levels=1)["stackFrames"][0]
        return top["source"]["path"], top["line"], top["name"], stopped["threadId"]


@unittest.skipUnless(have("debugpy"), "debugpy is not installed for this Python")
class Attach(HostTest):
    def stop_at(self, script, line, name="run"):
        rig = self.rig(script, debug={"port": 0}).spawn()
        rig.send(rig.hello)
        port = rig.next("debug-waiting")["port"]
        client = DapClient(port)
        self.addCleanup(client.close)
        client.attach()
        rig.next("initialized")
        rig.queue({"kind": "files", "root": "/", "files": ["a"]})
        path, found, function, thread = client.where()
        self.assertEqual((path, found, function), (rig.path("code/score.py"), line, name))
        client.send("continue", threadId=thread)
        self.assertEqual(rig.next("done")["body"], b"/a\n")
        rig.stop()

    def test_first_line_of_run(self):
        self.stop_at("import os\n\ndef run(batch):\n    result = batch\n    return result\n", 4)

    def test_docstring_decorator_and_comment(self):
        self.stop_at('"""Module."""\nfrom __future__ import annotations\nimport functools\n\ndef deco(f):\n'
                     '    @functools.wraps(f)\n    def wrapper(b):\n        return f(b)\n    return wrapper\n\n'
                     '@deco\ndef run(batch):\n    """What it does."""\n    # a comment\n    return batch\n', 15)

    def test_run_in_one_line(self):
        self.stop_at("def run(batch): return batch\n", 1)


class Missing(HostTest):
    @unittest.skipIf(have("debugpy"), "debugpy is installed for this Python")
    def test_what_to_do_is_said(self):
        rig = self.rig("def run(batch):\n    return batch\n", debug={"port": 0}).spawn()
        rig.send(rig.hello)
        error = rig.next("stage-error")
        self.assertEqual((error["stage"], error["error"]["exceptionType"]), ("load", "ModuleNotFoundError"))
        self.assertIn("PR2903 debugpy is not installed for " + sys.executable, error["error"]["message"])
        self.assertIn("-m pip install debugpy", error["error"]["message"])


class Breakpoints(unittest.TestCase):
    """Which functions get one, and that a script is the same with it."""

    SOURCE = b"""'''doc'''
from __future__ import annotations
if True:
    def run(batch):
        '''doc of run'''
        return trace(batch)
else:
    def run(batch): return None
try:
    pass
except ValueError:
    def run(batch): pass
class A:
    def run(self, batch): return 'method'
def other():
    def run(): return 'inner'
    return run()
"""

    def test_only_run_of_the_module(self):
        class Debugger:
            @staticmethod
            def breakpoint():
                stops.append(sys._getframe(1).f_lineno)

        stops = []
        before = sys.modules.get("debugpy")
        sys.modules["debugpy"] = Debugger
        self.addCleanup(lambda: sys.modules.update(debugpy=before) if before else sys.modules.pop("debugpy"))
        names = {"trace": lambda batch: sys._getframe(1).f_lineno}
        exec(compile(with_breakpoint(self.SOURCE, "x.py"), "x.py", "exec", dont_inherit=True), names)
        self.assertEqual((names["run"](1), names["run"].__doc__, names["__doc__"]), (6, "doc of run", "doc"))
        self.assertEqual((names["A"]().run(1), names["other"]()), ("method", "inner"))
        self.assertEqual(stops, [5])


class PostMortem(HostTest):
    def test_prompt_at_the_exception(self):
        rig = self.rig("def run(batch):\n    secret = 6 * 7\n    raise ValueError('x')\n",
                       debug={"port": 0, "postMortem": True})
        ours, theirs = socket.socketpair()
        master, slave = pty.openpty()

        def prepare():
            os.dup2(theirs.fileno(), 3)

        rig.process = subprocess.Popen([sys.executable, HOST], stdin=slave, stdout=slave, stderr=slave, close_fds=False,
                                       preexec_fn=prepare, start_new_session=True, cwd=rig.folder)
        rig.channel = ours
        theirs.close()
        os.close(slave)
        rig.send(rig.hello)
        rig.next("initialized")
        rig.queue({"kind": "files", "root": "/", "files": ["a"]})
        self.addCleanup(os.close, master)
        self.read_until(master, b"(Pdb)")
        os.write(master, b"p secret\n")
        self.read_until(master, b"42")
        os.write(master, b"q\n")
        self.assertEqual(rig.next("failed")["error"]["message"], "x")

    def read_until(self, fd, text):
        import select

        seen = b""
        while text not in seen:
            ready, _, _ = select.select([fd], [], [], 30)
            self.assertTrue(ready, seen)
            seen += os.read(fd, 4096)

    def test_without_a_terminal_it_only_fails(self):
        rig = self.started("def run(batch):\n    raise ValueError('x')\n", debug={"port": 0, "postMortem": True})
        self.assertEqual(rig.run()["error"]["message"], "x")


class Profiles(HostTest):
    def test_one_profile_per_worker(self):
        for module in ("cProfile", "profile"):
            with self.subTest(module):
                rig = self.rig("def inner():\n    return 5\ndef run(batch):\n    if batch[0] == '/x': raise ValueError(inner())\n"
                               "    return [inner()]\n")
                file = rig.path("profiles/Process-3.prof")
                rig.hello["profiling"] = {"module": module, "file": file}
                rig.start()
                source = {"kind": "files", "root": "/", "files": ["a"]}
                self.assertEqual([rig.run_source(source)["body"] for _ in range(3)], [b"5\n"] * 3)
                failed = rig.run_source({"kind": "files", "root": "/", "files": ["x"]})
                self.assertEqual(failed["error"]["message"], "5")
                self.assertEqual([f["file"] for f in failed["error"]["frames"]], ["score.py"])
                self.assertEqual(rig.stop()[1], 0)
                calls = {key[2]: value[1] for key, value in pstats.Stats(file).stats.items() if key[0].endswith("score.py")}
                self.assertEqual(calls, {"run": 4, "inner": 4})

    def test_a_profile_that_cannot_be_written_fails_nothing(self):
        rig = self.started("def run(batch):\n    return batch\n", profiling={"module": "cProfile", "file": "/proc/x/y"})
        rig.run()
        messages, code = rig.stop()
        self.assertEqual(([m["m"] for m in messages], code), (["bye"], 0))
        self.assertIn("the profile cannot be written to /proc/x/y", rig.stderr)
