"""
How much scripts may record and upload, so that no script fills the disk that the run itself needs. The processes of a run
don't speak to each other: each counts its own, and looks from time to time what all have kept, so a little more than the
bound may come together.
"""
import os
import sys

GB = 1 << 30
#: Facts of a run; what ends or names something (tags, properties, ends of child runs) may come to a tenth more.
RECORD_BYTES_MAX = 1 * GB
#: Uploaded files of a run and its child runs.
FILE_BYTES_MAX = 200 * GB
FILES_MAX = 100000
#: Of these bounds other numbers, in the job's environment variables.
_VARIABLES = {"records": "PARALLELRUN_RECORD_BYTES_MAX", "files": "PARALLELRUN_FILE_BYTES_MAX"}


class Bound:
    """
    What is kept below some folders. `takes` asks whether more may come, and counts it; `why` says what stands against it.
    """

    def __init__(self, what, folders, bytes_max, count_max=None):
        self._folders, self._count_max = folders, count_max
        try:
            self._bytes_max = int(os.environ.get(_VARIABLES[what]) or bytes_max)
        except ValueError:
            self._bytes_max = bytes_max
        self._bytes = self._count = 0
        # what may be added before all is counted again: at first nothing
        self._bytes_left = self._count_left = 0
        self.why = ""

    def takes(self, size, more=1.0):
        limit = self._bytes_max * more
        if self._is_full(size, limit):
            return False  # nothing is taken away again
        if size > self._bytes_left or (self._count_max is not None and self._count_left < 1):
            self._look()
            if self._is_full(size, limit):
                return False
        self._bytes += size
        self._bytes_left -= size
        self._count += 1
        self._count_left -= 1
        return True

    def _is_full(self, size, limit):
        if self._bytes + size > limit:
            self.why = "more than %d bytes" % self._bytes_max
        elif self._count_max is not None and self._count >= self._count_max:
            self.why = "more than %d files" % self._count_max
        else:
            return False
        return True

    def _look(self):
        self._bytes = self._count = 0
        for folder in self._folders:
            for below, _, names in os.walk(folder):
                for name in names:
                    try:
                        self._bytes += os.lstat(os.path.join(below, name)).st_size
                    except OSError:
                        continue
                    self._count += 1
        self._bytes_left = max(self._bytes_max - self._bytes, 0) // 16
        self._count_left = max((self._count_max or 0) - self._count, 0) // 16


def tell(text):
    """A line for people. Never raises."""
    try:
        sys.stderr.write("PR2912 %s\n" % text)
    except Exception:
        pass
