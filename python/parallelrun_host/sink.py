"""Where encoded rows go: small results stay in memory for the `done` frame, large ones become a part file."""
import os

INLINE_BYTES_MAX = 64 * 1024
_open, _write, _close, _unlink = os.open, os.write, os.close, os.unlink
# never through a link, never over a file that is there: the part belongs to this hand-out alone
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class RowSink:
    """Takes chunks of whole rows. Either `finish` or `discard` ends it."""

    def __init__(self, part_path):
        self._path = part_path
        self._chunks = []
        self._bytes = 0
        self._fd = -1

    def write(self, data):
        """Raises OSError where the part file cannot be written."""
        self._bytes += len(data)
        self._chunks.append(data)
        if self._bytes > INLINE_BYTES_MAX:
            if self._fd < 0:
                self._fd = _open(self._path, _FLAGS, 0o600)
            for chunk in self._chunks:
                _write_all(self._fd, chunk)
            self._chunks = []

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


def _write_all(fd, data):
    rest = memoryview(data)
    while rest:
        rest = rest[_write(fd, rest):]
