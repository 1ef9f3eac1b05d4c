"""Starts a real worker host with the rig as its agent: a socketpair on descriptor 3, files as stdout and stderr."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

from parallelrun_host.frames import FrameDecoder, frame

HOST = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "host.py")
DEADLINE_SECONDS = 30


def have(module):
    import importlib.util

    return importlib.util.find_spec(module) is not None


class Rig:
    """One worker. `files` are those of the code folder; without `start=False` it is led until `initialized`."""

    def __init__(self, files, **hello):
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="parallelrun-host-"))
        self.code = self.path("code")
        for name, text in files.items():
            self.write("code/" + name, textwrap.dedent(text))
        for name in ("work", "parts", "data", "runs/r1"):
            os.makedirs(self.path(name), exist_ok=True)
        self.hello = {
            "m": "hello", "protocol": 1, "runId": "r1", "process": "Process-3", "address": "10.1.2.3",
            "codeFolder": self.code, "script": os.path.join(self.code, "score.py"), "moduleName": "score",
            "argv": [], "runFolder": self.path("runs/r1"), "workFolder": self.path("work"),
            "output": {"action": "append_row", "format": "txt"}, "partFolder": self.path("parts"),
            "tables": [], "loggingLevel": "INFO",
        }
        self.hello.update(hello)
        self.environment = {
            "AZ_BATCHAI_INPUT_AZUREML": self.path("runs"), "AZUREML_RUN_ID": "r1", "AZUREML_ROOT_RUN_ID": "root1",
            "AZUREML_EXPERIMENT_NAME": "digits", "AZ_BATCHAI_JOB_TEMP": self.path("work"),
            "PARALLELRUN_RUN_FOLDER": self.path("runs/r1"), "PARALLELRUN_MODELS": self.path("registry"),
            "PARALLELRUN_RECORDS": self.path("runs/r1/records/10.1.2.3/Process-3.jsonl"),
        }
        self.process = None
        self.channel = None
        self.received = []
        self._decoder = FrameDecoder()
        self._dispatch = 0
        self._held = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
        return path

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    @property
    def stdout(self):
        return self.read("stdout").decode("utf-8", "replace")

    @property
    def stderr(self):
        return self.read("stderr").decode("utf-8", "replace")

    # -- life -----------------------------------------------------------------------------------------------

    def spawn(self, python=None):
        ours, theirs = socket.socketpair()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        streams = [os.open(self.path(name), flags, 0o600) for name in ("stdout", "stderr")]
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "AZ"))}
        environment.update(self.environment)
        # children of a test inherit nothing else: descriptors of Python are not inheritable
        self.process = subprocess.Popen(
            [python or sys.executable, "-X", "faulthandler", HOST], stdin=subprocess.DEVNULL, stdout=streams[0],
            stderr=streams[1], env=environment, close_fds=False, preexec_fn=lambda: os.dup2(theirs.fileno(), 3),
            start_new_session=True, cwd=self.folder,
        )
        theirs.close()
        for fd in streams:
            os.close(fd)
        self.channel = ours
        return self

    def start(self):
        """-> self, at `initialized`."""
        self.spawn()
        self.send(self.hello)
        for expected in ("hello", "loaded", "initialized"):
            message = self.next()
            if message["m"] != expected:
                raise AssertionError("%r instead of %s\n%s" % (message, expected, self.stderr))
        return self

    def send(self, header, body=b""):
        if self._held is not None:
            self._held += frame(header, body)
        else:
            self.channel.sendall(frame(header, body))

    @contextlib.contextmanager
    def held(self):
        """What is sent within arrives in one piece."""
        self._held = b""
        yield
        data, self._held = self._held, None
        self.channel.sendall(data)

    def next(self, name=None):
        """The next message; with a name, the next of that name. Its body stands under `body`."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            while self.received:
                message = self.received.pop(0)
                if name is None or message["m"] == name:
                    return message
            self.channel.settimeout(max(0.01, deadline - time.monotonic()))
            data = self.channel.recv(1 << 20)
            if not data:
                raise EOFError("the worker closed the channel\n" + self.stderr)
            for header, body in self._decoder.feed(data):
                self.received.append(dict(header, body=body))

    def run(self, items=("a", "b"), index=0, try_number=1, part=None):
        """One mini-batch of files -> its end message."""
        return self.run_source(self.files(items), index, try_number, part)

    def files(self, items):
        return {"kind": "files", "root": self.path("data"), "files": list(items)}

    def run_source(self, source, index=0, try_number=1, part=None):
        self.queue(source, index, try_number, part)
        begin = self.next("begin")
        end = self.next()
        while end["m"] not in ("done", "failed"):
            end = self.next()
        if (begin["i"], begin["d"]) != (end["i"], end["d"]):
            raise AssertionError("begin of another hand-out: %r %r" % (begin, end))
        end["begin"] = begin
        return end

    def queue(self, source, index=0, try_number=1, part=None):
        self._dispatch += 1
        header = {"m": "run", "i": index, "d": self._dispatch, "t": try_number}
        if part is not None:
            header["p"] = list(part)
        self.send(header, json.dumps(source).encode("ascii"))

    def stop(self):
        """-> (messages until the end, exit code)."""
        self.send({"m": "stop"})
        return self.rest()

    def rest(self):
        messages = []
        try:
            while True:
                messages.append(self.next())
        except (EOFError, ConnectionError):
            pass
        return messages, self.wait()

    def wait(self):
        return self.process.wait(DEADLINE_SECONDS)

    def close(self):
        if self.channel is not None:
            self.channel.close()
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class HostTest(unittest.TestCase):
    """A test with workers: they are gone when it ends."""

    maxDiff = None

    def rig(self, script, files=None, **hello):
        """A worker with `score.py`, not yet started."""
        rig = Rig(dict(files or {}, **{"score.py": script}), **hello)
        self.addCleanup(rig.close)
        return rig

    def started(self, script, files=None, **hello):
        return self.rig(script, files, **hello).start()
