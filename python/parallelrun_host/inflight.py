"""
Several mini-batches under way at once in one process (`--amlbi_async_mode`): the script has `enqueue` and its three
companions in place of `run`. Towards the agent nothing changes: mini-batches begin and end one behind the other, in the
order in which they came. What has its result early waits for those before it; the time limit of a mini-batch counts from
its turn.

What a script records is marked with the mini-batch that is enqueued just then, or whose result is taken, and only in
the thread that does it: those that it starts itself may be at any of them.
"""
import inspect
from threading import get_ident
from time import sleep

from . import records
from .entry import EntryScript, WrongArguments
from .facts import stack_frame, type_name
from .frames import FrameError, frame_of_text
from .minibatch import MiniBatchContext, key_values
from .returned import InvalidReturn
from .worker import BEGIN, END, HandOut, Worker, done_frame, failed_frame

#: Mini-batches that the script says it is working on; beyond that no more are handed to it.
AT_ONCE_MAX = 16
#: Between two questions for results.
POLL_SECONDS = 0.005
#: Questions without an answer after the script has said that all is processed.
LOST_AFTER = 3

_NEEDED = ("enqueue", "get_processing_batch_number", "check_all_tasks_processed", "get_finished_batch_result")


class InFlightScript(EntryScript):
    """A script with these functions. Raises WrongArguments where one is missing."""

    def __init__(self, module, script, code):
        namespace = vars(module)
        missing = [name for name in _NEEDED if not callable(namespace.get(name))]
        if missing:
            raise WrongArguments(
                "with --amlbi_async_mode the entry script needs the functions %s; missing: %s"
                % (", ".join(_NEEDED), ", ".join(missing)),
                stack_frame(code, script, 1, "<module>"),
            )
        self._settle(namespace, namespace["enqueue"], script, code)
        self.takes_context = _takes_two(self.run)
        self.processing = namespace["get_processing_batch_number"]
        self.all_processed = namespace["check_all_tasks_processed"]
        self.finished = namespace["get_finished_batch_result"]


def _takes_two(enqueue):
    try:
        inspect.signature(enqueue).bind(1, 2)
        return True
    except TypeError:
        return False
    except ValueError:
        return True


class _Flight:
    """A mini-batch that the script has. `outcome`: what it gave, or the failure, once it is known."""

    __slots__ = ("hand", "start", "start_cpu", "monotonic", "seconds", "outcome", "begun")

    def __init__(self, hand, start, start_cpu, monotonic):
        self.hand = hand
        self.start, self.start_cpu, self.monotonic = start, start_cpu, monotonic
        self.seconds = 0.0
        self.outcome = None
        self.begun = False


class InFlightWorker(Worker):
    def serve(self):
        """As `Worker.serve`."""
        records.current_thread = get_ident()
        flights = []
        unanswered = 0
        while True:
            if not flights:
                self._send()
                message = self._next()
                if message is None:
                    self._send()
                    return
                flights.append(self._take(message, is_first=True))
            while self._channel.has_waiting and self._has_room():
                message = self._next()
                if message is None:
                    break
                flights.append(self._take(message, is_first=False))
            self._begin(flights[0])
            self._send()
            answered = self._collect(flights)
            unanswered = 0 if answered else unanswered + 1
            if flights[0].outcome is None and unanswered >= LOST_AFTER and self._says_all_is_done():
                self._fail(flights[0], RuntimeError(
                    "check_all_tasks_processed() says that all is processed, and get_finished_batch_result() has "
                    "given no result for mini-batch %d" % flights[0].hand.index))
            while flights and flights[0].outcome is not None:
                self._begin(flights[0])
                self._end(flights.pop(0))
                if self._channel.stopping:
                    # the others haven't had their turn: nobody waits for them any more
                    self._send()
                    return
                unanswered = 0
            self._send()
            if flights and flights[0].outcome is None:
                self._channel.wait(POLL_SECONDS)

    def _has_room(self):
        try:
            return self._entry.processing() < AT_ONCE_MAX
        except Exception:
            return True

    def _says_all_is_done(self):
        try:
            return bool(self._entry.all_processed())
        except Exception:
            return False

    def _take(self, message, is_first):
        header, source = message
        if header["m"] != "run":
            raise FrameError("message %r after the hello" % header["m"])
        hand = HandOut(header, source)
        batch, failure = self._read(hand)
        self._place.restore()
        self._streams.reopen()
        flight = _Flight(hand, self._time(), self._cpu(), self._monotonic())
        if failure is not None:
            flight.outcome = (None, failure)
            return flight
        if is_first:
            # told before: when `enqueue` takes the process down, this one was under way
            self._begin(flight)
            self._send()
        records.current = (hand.index, hand.try_number)
        try:
            context = MiniBatchContext(hand.index, hand.try_number, key_values(source, batch, self._tables))
            if self._entry.takes_context:
                self._run(batch, context)
            else:
                self._run(batch)
            self._leave_if_child(0)
        except BaseException as raised:
            error = raised
        else:
            return flight
        finally:
            records.current = None
        self._leave_if_child(error)
        self._fail(flight, error)
        return flight

    def _collect(self, flights):
        """Asks the script for what is finished. -> whether anything was."""
        try:
            finished = self._entry.finished()
            self._leave_if_child(0)
            given = list((finished or {}).items())
        except BaseException as raised:
            error = raised
        else:
            by_index = {flight.hand.index: flight for flight in reversed(flights) if flight.outcome is None}
            for index, value in given:
                flight = by_index.get(index)
                if flight is not None:
                    self._settle(flight, value)
            return bool(given)
        self._leave_if_child(error)
        waiting = [flight for flight in flights if flight.outcome is None]
        if waiting:
            self._fail(waiting[0], error)
        else:
            sleep(POLL_SECONDS)
        return True

    def _settle(self, flight, value):
        flight.seconds = self._monotonic() - flight.monotonic
        records.current = (flight.hand.index, flight.hand.try_number)
        try:
            if not isinstance(value, dict) or "ret" not in value:
                raise InvalidReturn(type_name(type(value)))
            exception = value.get("exception")
            if isinstance(exception, BaseException):
                raise exception
            if exception:
                raise RuntimeError(str(exception))
            flight.outcome = (self._encode(value["ret"], flight.hand), None)
            return
        except BaseException as raised:
            error = raised
        finally:
            records.current = None
        self._fail(flight, error)

    def _fail(self, flight, error):
        flight.seconds = flight.seconds or self._monotonic() - flight.monotonic
        flight.outcome = (None, (self._failure(error, flight.hand), self._item(error, flight.hand)))

    def _begin(self, flight):
        if flight.begun:
            return
        flight.begun = True
        out, err = self._streams.marks()
        self._unsent += frame_of_text(BEGIN % (flight.hand.index, flight.hand.dispatch, self._time(), out, err))

    def _end(self, flight):
        hand = flight.hand
        encoded, failure = flight.outcome
        out, err = self._streams.marks()
        end = END % ("done" if failure is None else "failed", hand.index, hand.dispatch, hand.items, flight.start,
                     self._time(), flight.start_cpu, self._cpu(), flight.seconds, out, err)
        self._unsent += done_frame(end, encoded) if failure is None else failed_frame(end, failure)

