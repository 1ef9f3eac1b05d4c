"""
The loop of a worker: takes mini-batches off the channel one at a time, calls `run()`, answers. Every hand-out that has
begun ends in exactly one `done` or `failed`. The result of one and the `begin` of the next leave in one write where the
next is already here.
"""
import os
import traceback
from time import perf_counter, process_time, time

from .channel import ChannelClosed
from .debug import post_mortem
from .facts import describe, plain_facts
from .formats import FORMATS
from .frames import FrameError, frame_of_text, to_json
from .minibatch import InputError, MiniBatchContext, SourceError, make_mini_batch
from .results import PartFileError, UnencodableRow, count_only, encode
from .returned import InvalidReturn, RunRaised

_BEGIN = '{"m":"begin","i":%d,"d":%d,"w":%.6f,"o":[%d,%d]}'
_END = '{"m":"%s","i":%d,"d":%d,"n":%d,"w":[%.6f,%.6f],"c":[%.6f,%.6f],"r":%.6f,"o":[%d,%d]'


class Worker:
    def __init__(self, channel, streams, place, entry, code, hello, tables, profiler):
        self._channel = channel
        self._streams = streams
        self._place = place
        self._entry = entry
        self._code = code
        self._tables = tables
        self._run = profiler.wrap(entry.run) if profiler else entry.run
        output = hello["output"]
        self._format = FORMATS[output["format"]]() if output["action"] == "append_row" else None
        self._part_folder = hello["partFolder"].rstrip("/")
        self._post_mortem = bool(hello.get("debug", {}).get("postMortem"))
        # attributes, not module globals: libraries that fake the time replace those
        self._time, self._cpu, self._monotonic = time, process_time, perf_counter
        self._unsent = b""
        self._marks = None

    def serve(self):
        """Returns at `stop` or at the end of the channel. Raises FrameError, ChannelClosed, SourceError."""
        channel = self._channel
        while True:
            if self._unsent and not channel.has_waiting:
                self._send()
            message = self._next()
            if message is None:
                self._send()
                return
            header, body = message
            if header["m"] != "run":
                raise FrameError("message %r after the hello" % header["m"])
            self._serve_one(header["i"], header["d"], header["t"], body)
            channel.look()

    def _next(self):
        while True:
            try:
                return self._channel.next()
            except (FrameError, ChannelClosed):
                raise
            except BaseException as error:
                # a signal handler of the script (an alarm set in run()) raised while nothing was running
                self._streams.last_words("ignored between two mini-batches: %s: %s" % (type(error).__name__, error))

    def _send(self):
        data, self._unsent = self._unsent, b""
        if data:
            self._channel.write(data)

    def _serve_one(self, index, dispatch, try_number, source):
        """One hand-out, from its source to its end message, which is left to be sent."""
        batch, items, failure = self._read(source, index)
        self._place.restore()
        self._streams.reopen()
        out, err = self._marks or self._streams.marks()
        start_cpu = self._cpu()
        start = self._time()
        self._unsent += frame_of_text(_BEGIN % (index, dispatch, start, out, err))
        self._send()
        encoded, seconds = None, 0.0
        if failure is None:
            encoded, failure, seconds = self._call(batch, index, dispatch, try_number)
            batch = None
        out, err = marks = self._streams.marks()
        # nothing of the script runs between this and the next begin, so its marks are the same
        self._marks = marks if self._channel.has_waiting else None
        kind = "done" if failure is None else "failed"
        end = _END % (kind, index, dispatch, items, start, self._time(), start_cpu, self._cpu(), seconds, out, err)
        if failure is None:
            self._unsent += _done_frame(end, encoded)
        else:
            self._unsent += frame_of_text('%s,"error":%s}' % (end, to_json(failure)))

    def _read(self, source, index):
        """-> (mini-batch, number of its items, None), or the failure in the third place."""
        try:
            if source.find(b'"rows"', 0, 40) >= 0:
                self._send()  # reading takes its time: the result before must not wait for it
            batch, items = make_mini_batch(source, index, self._tables)
            return batch, items, None
        except InputError as error:
            failure = {"kind": "input-error", "path": error.path, "reason": error.reason}
            if error.errno is not None:
                failure["errno"] = error.errno
            return None, 0, failure
        except SourceError:
            self._send()
            raise

    def _call(self, batch, index, dispatch, try_number):
        """`run()` and the encoding of what it returns. -> (Encoded, failure, seconds in `run()`); one of the two is None."""
        seconds = 0.0
        started = self._monotonic()
        try:
            if self._entry.takes_context:
                result = self._run(batch, MiniBatchContext(index, try_number))
            else:
                result = self._run(batch)
            seconds = self._monotonic() - started
            self._leave_if_child(0)
            return self._encode(result, index, dispatch), None, seconds
        except BaseException as raised:
            # looked at outside of this block: before Python 3.9 an exception of ours raised within it would walk the
            # chain of theirs, for ever where that is a circle
            error = raised
        seconds = seconds or self._monotonic() - started
        self._leave_if_child(error)
        failure = self._failure(error)
        _release(error)
        return None, failure, seconds

    def _encode(self, result, index, dispatch):
        if self._format is None:
            return count_only(result)
        return encode(result, self._format, "%s/%d.%d.part" % (self._part_folder, index, dispatch))

    def _failure(self, error):
        if isinstance(error, InvalidReturn):
            return {"kind": "invalid-return", "returned": error.returned, "frame": self._entry.definition}
        if isinstance(error, UnencodableRow):
            return dict(describe(error.cause, self._code), kind="unencodable-row", row=error.row)
        if isinstance(error, PartFileError):
            return dict(plain_facts("OSError", str(error)), kind="exception")
        if isinstance(error, RunRaised):
            error = error.cause
        if self._post_mortem:
            post_mortem(error)
        return dict(describe(error, self._code), kind="exception")

    def _leave_if_child(self, outcome):
        """A process that the script forked came back out of `run()`: it ends here and answers nothing."""
        if not self._channel.in_child:
            return
        self._streams.flush()
        code = outcome.code if isinstance(outcome, SystemExit) else outcome
        os._exit(code if type(code) is int and 0 <= code < 256 else 1)


def _done_frame(end, encoded):
    text = '%s,"k":%d' % (end, encoded.k)
    if encoded.part is not None:
        text += ',"part":' + to_json(encoded.part)
    if encoded.columns is not None:
        text += ',"columns":' + to_json(encoded.columns)
    return frame_of_text(text + "}", encoded.body)


def _release(error):
    """Lets go of what the frames of the traceback hold: after a MemoryError that may be everything."""
    try:
        traceback.clear_frames(error.__traceback__)
    except Exception:
        pass
