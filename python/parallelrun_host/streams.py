"""
Standard output and error of the worker. Descriptors 1 and 2 are append-only files of the agent; this module makes
Python write whole lines to them, finds out how much is in them, and keeps a way to stderr that no script can close.
"""
import ctypes
import errno
import faulthandler
import fcntl
import io
import os
import signal
import stat
import sys
from functools import partial

from .descriptors import private_copy

_dup2 = os.dup2
_fstat = os.fstat
_write = os.write


class _Lossy(io.FileIO):
    """What is printed onto a full disk is lost, as all logs are then: a print must not fail a mini-batch for it."""

    def write(self, data):
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return len(data)


class Streams:
    def __init__(self):
        # the former ones are kept: at their end they would close the descriptors
        self._former = [_replaced("stdout", 1), _replaced("stderr", 2)]
        self._originals = (sys.stdout, sys.stderr)
        for stream in self._originals:
            _line_buffered(stream)
        self._out = _private(1)
        self._err = _private(2)
        self._size_of_out = _size_reader(self._out)
        self._size_of_err = _size_reader(self._err)
        _line_buffered_c()
        self._enable_dumps()

    def _enable_dumps(self):
        """Stacks at a crash, and of all threads on SIGUSR1: into stderr even where the script closed descriptor 2."""
        if self._err < 0:
            return
        try:
            faulthandler.enable(file=self._err, all_threads=True)
            faulthandler.register(signal.SIGUSR1, file=self._err, all_threads=True, chain=False)
        except (OSError, RuntimeError, ValueError, AttributeError):
            pass

    @property
    def stderr_fd(self):
        return self._err if self._err >= 0 else 2

    def flush(self):
        """Never raises: a script may have closed, replaced or removed the streams."""
        out, err = self._originals
        try:
            now = sys.stdout
            now.flush()
            if now is not out:
                out.flush()
        except BaseException:
            _flush_quietly(out)
        try:
            now = sys.stderr
            now.flush()
            if now is not err:
                err.flush()
        except BaseException:
            _flush_quietly(err)

    def reopen(self):
        """
        Descriptors 1 and 2 that a mini-batch closed are there again for the next one: its prints must not fail, and no
        file that it opens may become its standard output.
        """
        for fd, copy in ((1, self._out), (2, self._err)):
            try:
                _fstat(fd)
            except OSError:
                if copy >= 0:
                    _dup2(copy, fd)

    def marks(self):
        """Flushes, then gives the sizes of the stdout and stderr files in bytes; 0 where it is no regular file."""
        self.flush()
        try:
            return self._size_of_out(), self._size_of_err()
        except OSError:
            return 0, 0

    def last_words(self, text):
        """A line on stderr, even where the script closed or replaced it."""
        try:
            _write(self.stderr_fd, (text + "\n").encode("utf-8", "backslashreplace"))
        except OSError:
            pass

    def give_up_broken(self):
        """Before the exit: streams that cannot be flushed would turn the exit code into 120."""
        for name in ("stdout", "stderr"):
            try:
                getattr(sys, name).flush()
            except BaseException:
                setattr(sys, name, None)


def _replaced(name, fd):
    """The stream that was there; that of Python stays where another can't be made."""
    former = getattr(sys, name)
    try:
        former.flush()
        raw = _Lossy(fd, "wb", closefd=False)
        raw.name = former.name
        stream = io.TextIOWrapper(io.BufferedWriter(raw), former.encoding, former.errors, newline="\n")
        stream.mode = former.mode
    except (AttributeError, ValueError, OSError):
        return former
    setattr(sys, name, stream)
    setattr(sys, "__%s__" % name, stream)
    return former


def _line_buffered(stream):
    try:
        # whole lines in one write, also under PYTHONUNBUFFERED; a name that is not UTF-8 must not fail a print
        stream.reconfigure(line_buffering=True, write_through=False)
        if "PYTHONIOENCODING" not in os.environ:
            stream.reconfigure(errors="backslashreplace")
    except (AttributeError, ValueError, OSError):
        pass


def _line_buffered_c():
    """C's own stdout is block buffered on a file: lines of C extensions would come long after their mini-batch."""
    try:
        libc = ctypes.CDLL(None)
        libc.setvbuf.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
        name = "__stdoutp" if sys.platform == "darwin" else "stdout"
        line_buffering = 1
        libc.setvbuf(ctypes.c_void_p.in_dll(libc, name), None, line_buffering, 0)
    except (OSError, ValueError, AttributeError):
        pass


def _private(fd):
    try:
        return private_copy(fd)
    except OSError:
        return -1


def _size_reader(fd):
    """A function that gives the size of the file behind `fd` in bytes, or 0 where it is no regular file."""
    try:
        if fd < 0 or not stat.S_ISREG(_fstat(fd).st_mode):
            return lambda: 0
        if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND:
            # five times as fast as fstat; the position means nothing to writers that append
            return partial(os.lseek, fd, 0, os.SEEK_END)
        return lambda: _fstat(fd).st_size
    except OSError:
        return lambda: 0


def _flush_quietly(stream):
    try:
        stream.flush()
    except BaseException:
        pass
