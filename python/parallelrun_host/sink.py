"""
Where encoded rows go: small results stay in memory for the `done` frame, large ones become a part file, and large ones
that the disk has no room for stay in memory too.
"""
import errno
import os

INLINE_BYTES_MAX = 64 * 1024
# a result that finds the disk full travels in the frame: the orchestrator waits for space, the script loses no try
HELD_BYTES_MAX = 256 * 1024 * 1024
_open, _write, _close, _unlink, _pread = os.open, os.write, os.close, os.unlink, os.pread
# never through a link, never over a file that is there: the part belongs to this hand-out alone
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE)


class RowSink:
    """Takes chunks of whole rows. Either `finish` or `discard` ends it."""

    def __init__(self, part_path):
        self._path = part_path
        # what isn't in the file
        self._chunks = []
        self._bytes = 0
        self._in_file = 0
        self._fd = -1
        self._no_room = None

    def write(self, data):
        """Raises OSError where the part file cannot be written, and the rows are too many to be held."""
        self._bytes += len(data)
        self._chunks.append(data)
        if self._no_room is not None:
            if self._bytes > HELD_BYTES_MAX:
                raise self._no_room
        elif self._bytes > INLINE_BYTES_MAX:
            self._spill()

    def finish(self):
        """-> (body, part): the rows themselves and None, or nothing and the facts of the part file."""
        if self._fd < 0:
            return b"".join(self._chunks), None
        fd, self._fd = self._fd, -1
        _close(fd)
        return b"", {"path": self._path, "bytes": self._bytes}

    def discard(self):
        self._chunks = []
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            _close(fd)
            try:
                _unlink(self._path)
            except OSError:
                pass

    def _spill(self):
        try:
            if self._fd < 0:
                self._fd = _open(self._path, _FLAGS, 0o600)
            for chunk in self._chunks:
                _write_all(self._fd, chunk)
        except OSError as error:
            if error.errno not in _NO_ROOM or self._bytes > HELD_BYTES_MAX:
                raise
            self._no_room = error
            self._take_back()
        else:
            self._in_file = self._bytes
            self._chunks = []

    def _take_back(self):
        """What is in the file already comes back to memory, in front of what isn't; the file goes."""
        back = _read_all(self._fd, self._in_file) if self._in_file else b""
        chunks = self._chunks
        self.discard()
        self._chunks = [back] + chunks


def _write_all(fd, data):
    rest = memoryview(data)
    while rest:
        rest = rest[_write(fd, rest):]


def _read_all(fd, length):
    data = bytearray()
    while len(data) < length:
        chunk = _pread(fd, length - len(data), len(data))
        if not chunk:
            raise OSError(errno.EIO, "the part file is shorter than what was written to it")
        data += chunk
    return bytes(data)
