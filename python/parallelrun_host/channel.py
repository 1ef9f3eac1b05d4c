"""
The channel to the agent: one end of a socketpair, inherited as descriptor 3 and moved out of the script's way at once.
"""
import os
import select
import socket
from collections import deque
from threading import RLock
from time import sleep

from .descriptors import private_copy
from .frames import FrameDecoder, FrameError, frame

CHANNEL_FD = 3
# beyond 128 KiB the memory of each read would come from the kernel and go back to it, at several times the cost
_READ_BYTES = 64 * 1024
_LARGE_READ_BYTES = 4 * 1024 * 1024
_recv = socket.socket.recv
_write = os.write


class ChannelClosed(Exception):
    """The agent is gone, or this process is a forked child that has no channel."""


class Channel:
    """Frames in and out. Reading belongs to the main thread; writing is locked, any thread may do it."""

    def __init__(self, fd=CHANNEL_FD):
        """Raises OSError where `fd` is not a connected stream socket."""
        probe = socket.socket(fileno=os.dup(fd))
        try:
            if probe.type != socket.SOCK_STREAM:
                raise OSError("it is no stream socket")
            probe.getpeername()
        finally:
            probe.close()
        high = private_copy(fd)
        os.close(fd)
        self._socket = socket.socket(fileno=high)
        self._socket.setblocking(True)
        self._fd = high
        poller = select.poll()
        poller.register(high, select.POLLIN)
        self._arrived = poller.poll
        self._lock = RLock()
        self._decoder = FrameDecoder()
        self._waiting = deque()
        self.closed = False
        self.stopping = False
        self.in_child = False
        os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self):
        # a forked child must neither keep the agent from seeing our end, nor answer in our name
        self.in_child = True
        self.closed = True
        self._lock = RLock()
        try:
            self._socket.close()
        except OSError:
            pass

    # -- reading --------------------------------------------------------------------------------------------

    @property
    def has_waiting(self):
        return bool(self._waiting)

    def next(self):
        """The next message as (header, body), waiting for it; None at the end or once a `stop` has arrived."""
        while not self.stopping:
            if self._waiting:
                return self._waiting.popleft()
            self._read()
        self._waiting.clear()
        return None

    def look(self):
        """Takes in what has arrived, without waiting: a `stop` behind waiting mini-batches drops them."""
        if self._arrived(0):
            self._read()

    def wait(self, seconds):
        """Takes in what arrives, for so long at most."""
        if self.stopping:
            sleep(seconds)
        elif self._arrived(seconds * 1000):
            self._read()

    def _read(self):
        try:
            missing = self._decoder.missing
            data = _recv(self._socket, _READ_BYTES if missing <= _READ_BYTES else min(missing, _LARGE_READ_BYTES))
        except OSError as error:
            if error.errno is None:
                raise  # a signal handler of the script, not the socket
            data = b""
        if not data:
            if self._decoder.pending:
                raise FrameError("the channel ended within a frame")
            self.stopping = True
            return
        for message in self._decoder.feed(data):
            if message[0]["m"] == "stop":
                self.stopping = True
            else:
                self._waiting.append(message)

    # -- writing --------------------------------------------------------------------------------------------

    def send(self, header, body=b""):
        self.write(frame(header, body))

    def write(self, data):
        """Whole frames. Raises ChannelClosed."""
        with self._lock:
            if self.closed:
                raise ChannelClosed()
            try:
                sent = _write(self._fd, data)
                if sent != len(data):
                    rest = memoryview(data)[sent:]
                    while rest:
                        rest = rest[_write(self._fd, rest):]
            except OSError as error:
                if error.errno is None:
                    raise
                self.closed = True
                raise ChannelClosed() from error
