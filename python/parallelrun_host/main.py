"""
The life of a worker: channel, hello, import, `init()`, mini-batches, `shutdown()`, bye. Composition of the other
modules.
"""
import logging  # noqa: F401  not used here: loaded before user code, for the helper classes
import os
import sys
import traceback

from . import debug, records, shim_finder
from .channel import Channel, ChannelClosed
from .entry import EntryScript, import_script
from .facts import CodeFolder
from .frames import PROTOCOL_VERSION, FrameError
from .minibatch import SourceError
from .process import Place, bound_exit, die_with_parent, set_process_name
from .profiling import Profiler
from .resolver import advertise
from .results import format_of
from .inflight import InFlightScript, InFlightWorker
from .stages import Stages
from .streams import Streams
from .tables import Tables
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
    stages = Stages(channel, streams, code)
    place = _settle_in(hello)
    profiling = hello.get("profiling")
    profiler = Profiler(profiling["module"], profiling["file"]) if profiling else None

    rows_format = format_of(hello["output"])  # what it loads it loads before the script
    loaded = stages.attempt("load", lambda: _load(hello, channel, code))
    if loaded is None:
        return EXIT_STAGE_ERROR
    (entry, tables), seconds = loaded
    channel.send({"m": "loaded", "s": seconds})

    initialized = stages.attempt("init", entry.init)
    if initialized is None:
        return EXIT_STAGE_ERROR
    channel.send({"m": "initialized", "s": initialized[1]})

    serving = InFlightWorker if hello.get("inFlight") else Worker
    serving(channel, streams, place, entry, code, hello, tables, profiler, rows_format).serve()
    if profiler:
        profiler.dump()
    _shut_down(channel, stages, entry)
    return EXIT_OK


def _shut_down(channel, stages, entry):
    try:
        done = stages.attempt("shutdown", entry.shutdown)
        channel.send({"m": "bye", "s": done[1] if done else 0})
    except ChannelClosed:
        pass  # at the end of the channel nobody is there any more to hear it


def _settle_in(hello):
    """Everything a script can see of its place in the run, set before its first line runs. -> Place"""
    set_process_name(hello["process"])
    sys.argv[:] = [hello["script"]] + list(hello["argv"])
    advertise(hello["address"])
    records.logging_level = hello["loggingLevel"]
    return Place(hello["workFolder"])


def _load(hello, channel, code):
    """-> (EntryScript, Tables or None); whatever the import of the script raises."""
    tables = Tables(hello["tables"], hello.get("handOver", "pandas")) if hello["tables"] else None
    attach = hello.get("debug")
    if attach and not attach.get("postMortem"):
        debugpy, port = debug.listen(attach["port"])
        channel.send({"m": "debug-waiting", "port": port})
        debugpy.wait_for_client()
        debug.stop_at_run(hello["moduleName"], hello["script"])
    sys.path.insert(0, hello["codeFolder"])
    shim_finder.install(hello["codeFolder"])
    module = import_script(hello["moduleName"], hello["script"])
    script = InFlightScript if hello.get("inFlight") else EntryScript
    entry = script(module, hello["script"], code)
    return entry, tables
