"""
The mark of the item under way: which of its files a script took last, written where the agent finds it when this
process dies. A hint, never a fault: whatever goes wrong here, the try goes on as if nothing were marked.

Only hand-outs that are looked at closely are marked (a second try, a part of a mini-batch). What is marked is the
taking of an item off an iterator over the mini-batch. The mark goes when that iterator has come to its end or is
dropped, because nobody knows then which of the items the script works on; also when another thread takes items.
"""
import dis
import os
import sys
from _thread import get_ident
from struct import Struct

from .descriptors import private_copy

_MARK = Struct("<IIII")
_NOTHING = _MARK.pack(0, 0, 0, 0)
_U32_MAX = 2 ** 32 - 1
#: Frames between a loop and the iterator, as a progress bar puts there, and exceptions behind an exception.
_DEPTH_MAX = 20
#: Code that can stand still in the middle of a loop: generators and coroutines.
_SUSPENDABLE = 0x20 | 0x80 | 0x200
_LOOP = "FOR_ITER"
_PASSING_ON = (_LOOP, "SEND", "YIELD_FROM")
_HOST_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep

# own references: a script may replace these
_open, _close, _pwrite = os.open, os.close, os.pwrite
_frame_above = sys._getframe
_this_thread = get_ident
_plain_iterator = list.__iter__


class ItemMarker:
    """One per worker; marks one hand-out at a time, from `begin` to `end`. None of its methods raises an Exception."""

    def __init__(self, path):
        self._path = path
        self._fd = -1
        self._dispatch = 0
        self._index = 0
        self._thread = 0
        self._first = 0
        self._names = []
        self._positions = None
        self._turn = 0
        self._position = None
        self._route = ()
        os.register_at_fork(after_in_child=self._leave_to_parent)

    def begin(self, index, dispatch, names, first):
        """From now on the names of a mini-batch are marked as they are taken; `first`: position of the first one."""
        self._index, self._names, self._first = index, names[:], first
        self._positions = self._position = None
        self._thread = _this_thread()
        self._dispatch = dispatch
        try:
            if max(index, dispatch, first + len(names)) <= _U32_MAX:
                fd = _open(self._path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                try:
                    self._fd = private_copy(fd)
                finally:
                    _close(fd)
        except Exception:
            pass  # then only exceptions tell which item it was

    def end(self):
        """Nothing is marked any more; iterators that are still about give their items as those of any list."""
        fd, self._fd = self._fd, -1
        self._dispatch = 0
        self._names, self._positions, self._position, self._route = [], None, None, ()
        if fd >= 0:
            _write(fd, _NOTHING)
            try:
                _close(fd)
            except Exception:
                pass

    def iterate(self, batch):
        """What `iter()` of a mini-batch gives."""
        return _Taking(self, batch, self._dispatch) if self._dispatch else _plain_iterator(batch)

    def item_of(self, error):
        """
        Position of the item that was under way when `error` was raised, or None. Only where the traceback, or that of
        an exception behind it, leads through the loop that took the item last.
        """
        try:
            if self._dispatch and self._position is not None:
                for _ in range(_DEPTH_MAX):
                    if error is None:
                        break
                    if _leads_through(error.__traceback__, self._route):
                        return self._position
                    error = error.__context__ if error.__cause__ is None else error.__cause__
        except Exception:
            pass
        return None

    # -- for the iterators ----------------------------------------------------------------------------------

    def take(self, dispatch, name, at):
        """The script took `name`, number `at` of its iterator. -> number of this turn, 0 where nothing is marked."""
        if dispatch != self._dispatch:
            return 0
        try:
            if _this_thread() != self._thread:
                self._give_up()
                return 0
            self._turn += 1
            self._position = self._position_of(name, at)
            if self._position is None:
                self._mark(_NOTHING)
            else:
                self._mark(_MARK.pack(dispatch, self._index, self._position, 0))
                self._route = _route(_frame_above(2))
            return self._turn
        except Exception:
            self._give_up()
            return 0

    def let_go(self, turn, ended):
        """The iterator that had that turn ends, or is dropped; where it was not the last one to take, nothing changes."""
        if turn != self._turn or not self._dispatch:
            return
        # an exception that leaves a loop drops its iterator before anybody sees it: what it was in is kept for `item_of`
        if ended:
            self._position = None
        self._mark(_NOTHING)

    def _position_of(self, name, at):
        names = self._names
        if at < len(names) and names[at] is name:
            return self._first + at
        # the script sorted or shortened its list
        if type(name) is not str:
            return None
        if self._positions is None:
            self._positions = {}
            for position, one in enumerate(names, self._first):
                self._positions[one] = None if one in self._positions else position
        return self._positions.get(name)

    def _give_up(self):
        """For the rest of the hand-out. The descriptor stays until `end`: another thread may be writing."""
        self._dispatch = 0
        self._mark(_NOTHING)

    def _mark(self, data):
        if self._fd >= 0:
            _write(self._fd, data)

    def _leave_to_parent(self):
        """In a forked child: its items are not the worker's."""
        fd, self._fd = self._fd, -1
        self._dispatch = 0
        if fd >= 0:
            try:
                _close(fd)
            except Exception:
                pass


class _Taking:
    """Iterator over a mini-batch as any list has it, also where the list changes meanwhile or threads share it."""

    __slots__ = ("_marker", "_dispatch", "_advance", "_at", "_turn")

    def __init__(self, marker, batch, dispatch):
        self._marker = marker
        self._dispatch = dispatch
        self._advance = _plain_iterator(batch).__next__
        self._at = 0
        self._turn = 0

    def __iter__(self):
        return self

    def __next__(self):
        try:
            name = self._advance()
        except StopIteration:
            self._let_go(True)
            raise
        self._turn = self._marker.take(self._dispatch, name, self._at)
        self._at += 1
        return name

    def __del__(self):
        self._let_go(False)

    def _let_go(self, ended):
        turn, self._turn = self._turn, 0
        if turn:
            self._marker.let_go(turn, ended)


def _write(fd, mark):
    """
    One write of 16 bytes: a reader never sees half of it. Not through mapped memory, where a full disk or a file that
    was cut would kill the process.
    """
    try:
        _pwrite(fd, mark, 0)
    except Exception:
        pass


# -- where an exception was raised ----------------------------------------------------------------------------


def _route(frame):
    """[(id of the frame, code, position in it)], from where an item was taken out to the host. Keeps no frame alive."""
    route = []
    while frame is not None and len(route) < _DEPTH_MAX and not frame.f_code.co_filename.startswith(_HOST_FOLDER):
        route.append((id(frame), frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return route


def _leads_through(trace, route):
    """
    Whether an exception was raised in the body of the loop, or within the call, that took the item. Between the two may
    be generators that pass items on and are not part of the traceback.
    """
    places = {}
    while trace is not None:
        places.setdefault(id(trace.tb_frame), []).append(trace.tb_lasti)
        trace = trace.tb_next
    for frame, code, at in route:
        if frame in places:
            return any(_is_within(code, at, place) for place in places[frame])
        if not code.co_flags & _SUSPENDABLE or _instruction(code, at).opname not in _PASSING_ON:
            return False
    return False


def _is_within(code, at, place):
    """Whether `place` is the instruction at `at`, or in the body of the loop whose head that is."""
    head = _instruction(code, at)
    return head.offset == _instruction(code, place).offset or head.opname == _LOOP and at < place < head.argval


def _instruction(code, at):
    """The instruction at or around `at`: positions may be those of its prefix or, in Python 3.12, of its cache."""
    found = None
    for one in dis.get_instructions(code):
        if one.offset > at and found is not None and found.opname != "EXTENDED_ARG":
            break
        found = one
    return found
