"""The process itself: dies with its agent, starts each mini-batch in the same place, and ends within a bound."""
import ctypes
import faulthandler
import os
import re
import resource
import sys
import threading
from multiprocessing import process as multiprocessing_process
from time import sleep

EXIT_BOUND_SECONDS = 5
_PR_SET_PDEATHSIG = 1
_SIGKILL = 9
_chdir = os.chdir
_umask = os.umask
_makedirs = os.makedirs
_exit_now = os._exit
_open, _read, _close = os.open, os.read, os.close
_getrusage = resource.getrusage


def die_with_parent():
    """
    Linux: the kernel kills us when the agent ends, also in the middle of `run()`. Elsewhere and where it is refused,
    the end of the channel does it between mini-batches.
    @return False where the agent has gone already.
    """
    parent = os.getppid()
    if sys.platform == "linux":
        try:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        except (OSError, AttributeError):
            pass
    return os.getppid() == parent


def set_process_name(name):
    """`Process-3`: what `multiprocessing.current_process().name` says; children become `Process-3:1`."""
    current = multiprocessing_process.current_process()
    current.name = name
    number = name.rpartition("-")[2]
    if number.isdigit() and hasattr(current, "_identity"):
        current._identity = (int(number),)


class Place:
    """Working folder and umask that every mini-batch starts with, whatever the one before did."""

    def __init__(self, folder):
        self._folder = folder
        self._mask = _umask(0o077)
        _umask(self._mask)
        self.restore()

    def restore(self):
        _umask(self._mask)
        try:
            _chdir(self._folder)
        except OSError:
            _makedirs(self._folder, exist_ok=True)
            _chdir(self._folder)


def peak_memory_bytes():
    """Highest resident memory of this process so far; 0 where it can't be had."""
    try:
        fd = _open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
        try:
            # not getrusage: on Linux that begins with the memory of the process that started this one
            found = re.search(rb"^VmHWM:\s*(\d+) kB", _read(fd, 65536), re.MULTILINE)
        finally:
            _close(fd)
        if found:
            return int(found.group(1)) * 1024
    except Exception:
        pass
    try:
        return _getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    except Exception:
        return 0


def bound_exit(code, stderr_fd):
    """
    From here the interpreter has five seconds for its normal end (threads of the script, atexit handlers). The second
    line of defence needs no interpreter lock, at the price of exit code 1.
    """

    def end():
        sleep(EXIT_BOUND_SECONDS)
        _exit_now(code)

    try:
        threading.Thread(target=end, name="parallelrun-exit", daemon=True).start()
        faulthandler.dump_traceback_later(EXIT_BOUND_SECONDS + 2, exit=True, file=stderr_fd)
    except (RuntimeError, ValueError, OSError):
        pass
