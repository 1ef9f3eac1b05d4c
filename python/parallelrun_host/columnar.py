"""
Parquet and Arrow IPC files: rows are found by their number. Read by pyarrow, else by polars; which one has read them
doesn't show in what the script gets.
"""
import collections
import os

from .convert import Misfit
from .frames import from_json
from .handover import TypeChanged
from .minibatch import InputError
from .slices import changed, is_failure, path_of, read_slice, reason, row_error, system_error

#: So many files are kept open: a worker's mini-batches come from one, or from a few in turn.
_OPEN_FILES_MAX = 4


class Numbered:
    """
    Rows of one table. `opener(path)` opens a file, which has `rows`, `names` and `read(ranges, names)`; `join` makes one
    of several things that this returned, `convert` what the script gets.
    """

    def __init__(self, table, opener, join, convert):
        columns = table["schema"]["columns"]
        self._names = [column["name"] for column in columns]
        self._by_name = {column["name"]: column for column in columns if "like" in column or "widened" in column}
        self._types = {}
        self._open = opener
        self._join = join
        self._convert = convert
        self._files = collections.OrderedDict()

    def read(self, source):
        """All rows of a source. Raises InputError."""
        return self.read_part(source, 0, source["rows"])

    def read_part(self, source, start, end):
        """The rows `start` to `end` of a source: those around them are not looked at. Raises InputError."""
        try:
            pieces = [self._piece(part, ranges) for part, ranges in _files_of(source, start, end)]
            return self._convert(pieces[0] if len(pieces) == 1 else self._join(pieces))
        except InputError:
            raise
        except Misfit as error:
            raise row_error(source, start + error.row, str(error)) from None
        except TypeChanged as error:
            raise changed(source, str(error)) from error
        except BaseException as error:
            if not is_failure(error):
                raise
            if isinstance(error, OSError) and error.errno is not None:
                raise system_error(source, error) from error
            raise InputError(source["file"], reason("cannot read", source, error)) from error

    def _piece(self, source, ranges):
        """`source`: as of one file; `ranges`: of its rows, ascending."""
        file = self._file(source)
        self._check(file, source, ranges[-1][1])
        data = file.read(ranges, [name for name in self._names if name in file.names])
        if self._by_name:
            data = file.placed(data, [(name, self._type_of(name)) for name in self._names])
        rows = sum(end - start for start, end in ranges)
        if len(data) != rows:
            raise changed(source, "%d rows of it are there, not %d" % (len(data), rows))
        return data

    def _check(self, file, source, end):
        if file.rows < end:
            raise changed(source, "it has %d rows, %d were there when the mini-batches were made" % (file.rows, end))
        lacking = [name for name in self._names if name not in file.names and name not in self._by_name]
        if lacking:
            raise changed(source, "it has no column %r" % lacking[0])
        more = [name for name in file.names if name not in self._names]
        if more:
            raise changed(source, "it has the column %r, which the table does not have" % more[0])

    def _type_of(self, name):
        """The type that a column has in all files, in the words of the library."""
        if name not in self._types:
            column = self._by_name[name]
            file = self._open(column["like"]) if "like" in column else None
            self._types[name] = file.type_of(name) if file else column["widened"]
        return self._types[name]

    def _file(self, source):
        """The file of a source, opened now or before; anew where it isn't the same any more."""
        path = path_of(source)
        try:
            status = os.stat(path)
        except OSError as error:
            raise system_error(source, error) from error
        stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        known, file = self._files.pop(path, (None, None))
        if known != stamp:
            file = self._open(path)
        self._files[path] = stamp, file
        if len(self._files) > _OPEN_FILES_MAX:
            self._files.popitem(last=False)
        return file


def _files_of(source, start, end):
    """-> pairs of a source as of one file, and ranges of its rows: where the rows `start` to `end` of a source lie."""
    if "keys" not in source:
        return [(source, [(source["start"] + start, source["start"] + end)])]
    found = []
    at = 0
    for line in read_slice(source).split(b"\n")[:-1]:
        below, first, behind = from_json(line)
        rows = max(first, first + start - at), min(behind, first + end - at)
        at += behind - first
        if rows[0] >= rows[1]:
            continue
        path = source["file"].rstrip("/") + "/" + below if below else source["file"]
        if not found or found[-1][0]["file"] != path:
            found.append(({"file": path, "firstRow": rows[0], "rows": behind - rows[0]}, []))
        found[-1][1].append(rows)
    return found
