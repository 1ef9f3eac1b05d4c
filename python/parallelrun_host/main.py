"""
The life of a worker: channel, hello, import, `init()`, mini-batches, `shutdown()`, bye. Composition of the other
modules; each stage's error becomes one `stage-error` message.
"""
import logging  # noqa: F401  not used here: loaded before user code, for the helper classes
import os
import sys
import traceback
from time import perf_counter, time

from . import debug, records, shim_finder
from .channel import Channel, ChannelClosed
from .entry import EntryScript, NoRunFunction, WrongArguments, import_script
from .facts import CodeFolder, describe, plain_facts
from .frames import PROTOCOL_VERSION, FrameError
from .minibatch import SourceError
from .process import Place, bound_exit, die_with_parent, set_process_name
from .profiling import Profiler
from .resolver import advertise
from .streams import Streams
from .tables import Tables, import_pandas
from .worker import Worker

EXIT_OK = 0
EXIT_STAGE_ERROR = 1
EXIT_USAGE = 2
EXIT_INTERNAL = 70
EXIT_PROTOCOL = 76


def main():
    """-> exit code. From its return the interpreter ends within a bound."""
    streams = Streams()
    code = _guarded(streams)
    streams.flush()
    streams.give_up_broken()
    bound_exit(code, streams.stderr_fd)
    return code


def _guarded(streams):
    try:
        parent_lives = die_with_parent()
        try:
            channel = Channel()
        except OSError as error:
            streams.last_words(
                "parallelrun worker host: PR2901 descriptor 3 is not a channel to an agent (%s); this program is "
                "started by parallelrun, not by hand" % (error.strerror or error)
            )
            return EXIT_USAGE
        if not parent_lives:
            return EXIT_STAGE_ERROR
        return _live(channel, streams)
    except (FrameError, SourceError) as error:
        streams.last_words("parallelrun worker host: PR2901 the channel to the agent is broken: %s" % error)
        return EXIT_PROTOCOL
    except ChannelClosed:
        streams.last_words("parallelrun worker host: the agent closed the channel")
        return EXIT_STAGE_ERROR
    except BaseException:
        streams.last_words("parallelrun worker host: a defect in the host itself:\n" + traceback.format_exc())
        return EXIT_INTERNAL


def _live(channel, streams):
    message = channel.next()
    if message is None:
        return EXIT_OK
    hello = message[0]
    if hello["m"] != "hello":
        raise FrameError("message %r instead of hello" % hello["m"])
    channel.send(
        {"m": "hello", "protocol": PROTOCOL_VERSION, "pid": os.getpid(), "language": "python",
         "version": sys.version.split()[0]}
    )
    if hello.get("protocol") != PROTOCOL_VERSION:
        raise FrameError("the agent speaks protocol %s, this host %d" % (hello.get("protocol"), PROTOCOL_VERSION))
    code = CodeFolder(hello["codeFolder"])
    stages = _Stages(channel, streams, code)
    place = _settle_in(hello, channel)
    profiling = hello.get("profiling")
    profiler = Profiler(profiling["module"], profiling["file"]) if profiling else None
    loaded = stages.load(lambda: _load(hello, channel, code))
    if loaded is None:
        return EXIT_STAGE_ERROR
    entry, tables = loaded
    if not stages.init(entry):
        return EXIT_STAGE_ERROR
    Worker(channel, streams, place, entry, code, hello, tables, profiler).serve()
    if profiler:
        profiler.dump()
    stages.shutdown(entry)
    return EXIT_OK


def _settle_in(hello, channel):
    """Everything a script can see of its place in the run, set before its first line runs. -> Place"""
    set_process_name(hello["process"])
    sys.argv[:] = [hello["script"]] + list(hello["argv"])
    advertise(hello["address"])
    records.attach(channel)
    records.logging_level = hello["loggingLevel"]
    return Place(hello["workFolder"])


def _load(hello, channel, code):
    """-> (EntryScript, Tables or None); whatever the import of the script raises."""
    pandas = import_pandas() if hello["tables"] else None
    attach = hello.get("debug")
    if attach and not attach.get("postMortem"):
        debugpy, port = debug.listen(attach["port"])
        channel.send({"m": "debug-waiting", "port": port})
        debugpy.wait_for_client()
        debug.stop_at_run(hello["moduleName"], hello["script"])
    sys.path.insert(0, hello["codeFolder"])
    shim_finder.install(hello["codeFolder"])
    module = import_script(hello["moduleName"], hello["script"])
    entry = EntryScript(module, hello["script"], code)
    return entry, Tables(hello["tables"], pandas) if pandas else None


class _Stages:
    """Runs the stages around the mini-batches, times them and reports what they raise."""

    def __init__(self, channel, streams, code):
        self._channel = channel
        self._streams = streams
        self._code = code
        # attributes, not module globals: libraries that fake the time replace those
        self._time, self._monotonic = time, perf_counter

    def load(self, load):
        """-> what `load` gives, None where it raised."""
        return self._timed("load", "loaded", load)

    def init(self, entry):
        """-> False where it raised."""
        return self._timed("init", "initialized", lambda: entry.init() if entry.init else None, True) is not None

    def _timed(self, stage, message, work, result=None):
        started = self._monotonic()
        raised = None
        try:
            result = work() or result
        except BaseException as error:
            raised = error  # described outside of this block, for the reason given in worker.py
        if raised is not None:
            self._raised(stage, started, raised)
            return None
        self._streams.flush()
        self._channel.send({"m": message, "s": self._since(started)})
        return result

    def shutdown(self, entry):
        started = self._monotonic()
        raised = None
        try:
            if entry.shutdown is not None:
                entry.shutdown()
        except BaseException as error:
            raised = error
        if raised is not None:
            self._quietly(lambda: self._raised("shutdown", started, raised))
        self._streams.flush()
        self._quietly(lambda: self._channel.send({"m": "bye", "s": self._since(started)}))

    def _raised(self, stage, started, raised):
        if isinstance(raised, ChannelClosed):
            raise raised
        if isinstance(raised, NoRunFunction):
            error = {"kind": "no-run-function", "file": raised.file, "defined": raised.defined}
        elif isinstance(raised, WrongArguments):
            error = dict(plain_facts("TypeError", str(raised), [raised.frame]), kind="exception")
        else:
            error = dict(describe(raised, self._code), kind="exception")
        self._failed(stage, started, error)

    def _failed(self, stage, started, error):
        if self._channel.in_child:
            os._exit(1)
        self._streams.flush()
        self._channel.send({"m": "stage-error", "stage": stage, "s": self._since(started), "error": error})

    def _since(self, started):
        return round(self._monotonic() - started, 6)

    def _quietly(self, send):
        """At the end nobody may be there any more to hear it."""
        try:
            send()
        except ChannelClosed:
            pass
