"""
The loop of a worker: takes mini-batches off the channel one at a time, calls `run()`, answers. Every hand-out that has
begun ends in exactly one `done` or `failed`. The result of one and the `begin` of the next leave in one write where the
next is already here.
"""
import os
import traceback
from time import perf_counter, process_time, time
from types import GeneratorType

from . import records
from .channel import ChannelClosed
from .debug import post_mortem
from .facts import describe, plain_facts
from .frames import FrameError, frame_of_text, to_json
from .itemmark import ItemMarker
from .minibatch import (
    InputError, MarkedMiniBatch, MiniBatch, MiniBatchContext, SourceError, key_values, make_mini_batch,
    position_of_file,
    unreadable_input,
)
from .process import peak_memory_bytes
from .results import PartFileError, UnencodableRow, count_only, encode
from .returned import InvalidReturn, RunRaised

BEGIN = '{"m":"begin","i":%d,"d":%d,"w":%.6f,"o":[%d,%d]}'
END = '{"m":"%s","i":%d,"d":%d,"n":%d,"w":[%.6f,%.6f],"c":[%.6f,%.6f],"r":%.6f,"o":[%d,%d]'


class HandOut:
    """A mini-batch, or a part of it, that the agent wants to be run. `items` is known once it has been read."""

    __slots__ = ("index", "dispatch", "try_number", "part", "source", "items")

    def __init__(self, header, source):
        self.index, self.dispatch, self.try_number = header["i"], header["d"], header["t"]
        self.part = header.get("p")
        self.source = source
        self.items = 0

    @property
    def first(self):
        """Position of its first item in the whole mini-batch."""
        return self.part[0] if self.part else 0


class Worker:
    def __init__(self, channel, streams, place, entry, code, hello, tables, profiler, rows_format):
        self._channel = channel
        self._streams = streams
        self._place = place
        self._entry = entry
        self._code = code
        self._tables = tables
        self._run = profiler.wrap(entry.run) if profiler else entry.run
        self._format = rows_format
        self._part_folder = hello["partFolder"].rstrip("/")
        self._post_mortem = bool(hello.get("debug", {}).get("postMortem"))
        self._marker = ItemMarker(hello["markFile"]) if "markFile" in hello else None
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
                records.current = None
                return
            header, body = message
            if header["m"] != "run":
                raise FrameError("message %r after the hello" % header["m"])
            self._serve_one(header, body)
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

    def _serve_one(self, header, source):
        """One hand-out, from its source to its end message, which is left to be sent."""
        hand = HandOut(header, source)
        batch, failure = self._read(hand)
        self._place.restore()
        self._streams.reopen()
        out, err = self._marks or self._streams.marks()
        start_cpu = self._cpu()
        start = self._time()
        self._unsent += frame_of_text(BEGIN % (hand.index, hand.dispatch, start, out, err))
        self._send()
        encoded, seconds = None, 0.0
        if failure is None:
            encoded, failure, seconds = self._call(self._marked(batch, hand), hand)
            batch = None
            if self._marker:
                self._marker.end()
        out, err = marks = self._streams.marks()
        # nothing of the script runs between this and the next begin, so its marks are the same
        self._marks = marks if self._channel.has_waiting else None
        end = END % ("done" if failure is None else "failed", hand.index, hand.dispatch, hand.items, start,
                      self._time(), start_cpu, self._cpu(), seconds, out, err)
        self._unsent += done_frame(end, encoded) if failure is None else failed_frame(end, failure)

    def _read(self, hand):
        """-> (mini-batch, None), or the failure in the second place. Counts the items of the hand-out."""
        try:
            if hand.source.find(b'"rows"', 0, 40) >= 0:
                self._send()  # reading takes its time: the result before must not wait for it
            batch, hand.items = make_mini_batch(hand.source, hand.index, self._tables, hand.part)
            return batch, None
        except InputError as error:
            return None, (_input_failure(error), error.item)
        except SourceError:
            self._send()
            raise

    def _marked(self, batch, hand):
        """What the script gets. The first try is left alone: that is where the time goes, and most never fail."""
        if self._marker is None or type(batch) is not MiniBatch or (hand.part is None and hand.try_number < 2):
            return batch
        self._marker.begin(hand.index, hand.dispatch, batch, hand.first)
        return MarkedMiniBatch(batch, self._marker)

    def _call(self, batch, hand):
        """`run()` and the encoding of what it returns. -> (Encoded, failure, seconds in `run()`); one of the two is None."""
        seconds = 0.0
        records.current = (hand.index, hand.try_number)
        started = self._monotonic()
        try:
            if self._entry.takes_context:
                result = self._run(batch, MiniBatchContext(
                    hand.index, hand.try_number, key_values(hand.source, batch, self._tables)))
            else:
                result = self._run(batch)
            seconds = self._monotonic() - started
            self._leave_if_child(0)
            if self._marker and not isinstance(result, GeneratorType):
                self._marker.end()  # its items are behind it
            return self._encode(result, hand), None, seconds
        except BaseException as raised:
            # looked at outside of this block: before Python 3.9 an exception of ours raised within it would walk the
            # chain of theirs, for ever where that is a circle
            error = raised
        seconds = seconds or self._monotonic() - started
        self._leave_if_child(error)
        failure = self._failure(error, hand), self._item(error, hand)
        _release(error)
        return None, failure, seconds

    def _encode(self, result, hand):
        if self._format is None:
            return count_only(result)
        return encode(result, self._format, "%s/%d.%d.part" % (self._part_folder, hand.index, hand.dispatch))

    def _failure(self, error, hand):
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
        unreadable = unreadable_input(error, hand.source, hand.part)
        if unreadable is not None:
            return _input_failure(unreadable)
        return dict(describe(error, self._code), kind="exception")

    def _item(self, error, hand):
        """Position, in the whole mini-batch, of the item that `error` is about; None where that isn't known."""
        if isinstance(error, UnencodableRow):
            item = error.item_of(hand.items)
            return None if item is None else hand.first + item
        if isinstance(error, RunRaised):
            error = error.cause
        item = position_of_file(error, hand.source, hand.part)
        return self._marker.item_of(error) if item is None and self._marker else item

    def _leave_if_child(self, outcome):
        """A process that the script forked came back out of `run()`: it ends here and answers nothing."""
        if not self._channel.in_child:
            return
        self._streams.flush()
        code = outcome.code if isinstance(outcome, SystemExit) else outcome
        os._exit(code if type(code) is int and 0 <= code < 256 else 1)


def _input_failure(error):
    failure = {"kind": "input-error", "path": error.path, "reason": error.reason}
    if error.errno is not None:
        failure["errno"] = error.errno
    return failure


def done_frame(end, encoded):
    text = '%s,"k":%d' % (end, encoded.k)
    if encoded.part is not None:
        text += ',"part":' + to_json(encoded.part)
    if encoded.columns is not None:
        text += ',"columns":' + to_json(encoded.columns)
    return frame_of_text(text + "}", encoded.body)


def failed_frame(end, failure):
    error, item = failure
    if item is not None:
        end += ',"item":%d' % item
    peak = peak_memory_bytes()
    if peak:
        end += ',"rss":%d' % peak
    return frame_of_text('%s,"error":%s}' % (end, to_json(error)))


def _release(error):
    """Lets go of what the frames of the traceback hold: after a MemoryError that may be everything."""
    try:
        traceback.clear_frames(error.__traceback__)
    except Exception:
        pass
