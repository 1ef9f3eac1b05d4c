"""Turns what `run()` returned into the bytes of its rows, or into the reason why that is not possible."""
from .formats import CsvFormat, JsonlFormat, TxtFormat
from .minibatch import MiniBatch
from .returned import Generated, recognise
from .sink import INLINE_BYTES_MAX, RowSink


_TEXT_FORMATS = {"txt": TxtFormat, "csv": CsvFormat, "jsonl": JsonlFormat}
_PLAIN_LISTS = (list, MiniBatch)


class UnencodableRow(Exception):
    """
    The text of row number `row` (from 0) cannot be made; `cause` is what it raised. `rows`: length of the result, or
    of what there is of it so far where it isn't `complete`.
    """

    rows = 0
    complete = False

    def __init__(self, row, cause):
        super().__init__()
        self.row = row
        self.cause = cause

    def item_of(self, items):
        """The item that the row belongs to, where a row an item can be what the script returns; else None."""
        fits = self.rows == items if self.complete else self.rows <= items
        return self.row if fits else None


class PartFileError(Exception):
    """The part file of a large result cannot be written: no fault of the script."""


class Encoded:
    """`k`: length of the result; `body`/`part`: the rows; `columns`: names for the header of a csv output."""

    __slots__ = ("k", "body", "part", "columns")

    def __init__(self, k, body=b"", part=None, columns=None):
        self.k = k
        self.body = body
        self.part = part
        self.columns = columns


def format_of(output):
    """What makes the bytes of rows for an `output` of the hello; None for summary_only."""
    if output["action"] != "append_row":
        return None
    if output["format"] == "parquet":
        from .blocks import ParquetFormat  # takes milliseconds

        return ParquetFormat()
    return _TEXT_FORMATS[output["format"]]()


def count_only(result):
    """summary_only: values are ignored, lengths are counted. Raises InvalidReturn, RunRaised."""
    found = recognise(result)
    if isinstance(found, Generated):
        for _ in found.chunks():  # it has no length before it has ended
            pass
    return Encoded(found.length)


def encode(result, rows_format, part_path):
    """Raises InvalidReturn, RunRaised, UnencodableRow; PartFileError."""
    if type(result) in _PLAIN_LISTS and len(result) <= 64:
        # most mini-batches: a few short texts; anything unusual goes the long way
        try:
            body = rows_format.elements(result).encode("utf-8", "backslashreplace") if result else b""
            if len(body) <= INLINE_BYTES_MAX:
                return Encoded(len(result), body)
        except BaseException:
            pass
    found = recognise(result)
    sink = RowSink(part_path)
    try:
        done = 0
        for method, chunk, rows in found.chunks():
            sink.write(_text(rows_format, method, chunk, done).encode("utf-8", "backslashreplace"))
            done += rows
        body, part = sink.finish()
    except OSError as error:
        sink.discard()
        raise PartFileError("the rows of this result cannot be written to %s: %s" % (part_path, error)) from error
    except UnencodableRow as error:
        sink.discard()
        error.rows, error.complete = found.length, found.complete
        raise
    except BaseException:
        sink.discard()
        raise
    return Encoded(found.length, body, part, found.columns if rows_format.has_columns else None)


def _text(rows_format, method, chunk, first_row):
    try:
        return getattr(rows_format, method)(chunk)
    except BaseException as error:
        row, cause = _culprit(rows_format, method, chunk, error)
        raise UnencodableRow(first_row + row, cause) from cause


def _culprit(rows_format, method, chunk, error):
    """-> (number of the row within the chunk that raises when it is alone, what it raises)."""
    if method == "rows":
        singles = map(chunk.single, range(chunk.length))
    elif method == "frame":
        singles = (chunk.iloc[row:row + 1] for row in range(len(chunk)))
    else:
        singles = ([element] for element in chunk)
    for row, single in enumerate(singles):
        try:
            getattr(rows_format, method)(single)
        except BaseException as alone:
            return row, alone
    return 0, error
