"""The stages around the mini-batches, load, init and shutdown: timed, and what they raise reported to the agent."""
import os
from time import perf_counter

from .channel import ChannelClosed
from .entry import NoRunFunction, WrongArguments
from .facts import describe, plain_facts


class Stages:
    def __init__(self, channel, streams, code):
        self._channel = channel
        self._streams = streams
        self._code = code
        # an attribute, not a module global: libraries that fake the time replace those
        self._monotonic = perf_counter

    def attempt(self, stage, work):
        """Runs a stage. -> (what it gives, seconds), or None where it raised; that has been reported then."""
        started = self._monotonic()
        value = raised = None
        try:
            value = work()
        except BaseException as error:
            raised = error  # described outside of this block, for the reason given in worker.py
        seconds = round(self._monotonic() - started, 6)
        if self._channel.in_child:
            os._exit(0 if raised is None else 1)  # the script forked, and its child came back here
        self._streams.flush()
        if raised is None:
            return value, seconds
        if isinstance(raised, ChannelClosed):
            raise raised
        self._channel.send({"m": "stage-error", "stage": stage, "s": seconds, "error": self._facts(raised)})
        return None

    def _facts(self, raised):
        if isinstance(raised, NoRunFunction):
            return {"kind": "no-run-function", "file": raised.file, "defined": raised.defined}
        if isinstance(raised, WrongArguments):
            return dict(plain_facts("TypeError", str(raised), [raised.frame]), kind="exception")
        return dict(describe(raised, self._code), kind="exception")
