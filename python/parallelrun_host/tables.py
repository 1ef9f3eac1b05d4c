"""
Table mini-batches: a byte range of whole rows of a CSV file becomes a pandas DataFrame with the columns and types of
the whole input. pandas is imported only where a run has tables; nothing here runs otherwise.
"""
import errno as errno_names
import importlib
import io
import os
import re
import sys

from .minibatch import InputError

_DTYPES = {
    "int64": "int64",
    "uint64": "uint64",
    "float64": "float64",
    "bool": "bool",
    "nullable-bool": object,
    "string": object,
}
#: Texts that stand for "no value", as where the types were decided; said here because pandas before 2.0 lacks "None".
MISSING = ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
           "NA", "NULL", "NaN", "None", "n/a", "nan", "null")
_TRUTH = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}

PANDAS_MISSING = (
    "PR2902 pandas is not installed for %s, and run() gets table rows as a pandas DataFrame. Add pandas to the "
    "packages of the job (--requirements FILE, or pip packages in its conda_file), or name an interpreter that has it "
    "with --python PATH"
)


def import_pandas():
    """Raises ModuleNotFoundError with what to do about it."""
    try:
        return importlib.import_module("pandas")
    except ModuleNotFoundError as error:
        if error.name != "pandas":
            raise
        raise ModuleNotFoundError(PANDAS_MISSING % sys.executable, name="pandas") from None


class Tables:
    """The tables of a run, each with its schema."""

    def __init__(self, tables, pandas):
        self._pandas = pandas
        self._tables = [_options(table) for table in tables]

    def read(self, source):
        """The rows of one source as a DataFrame with RangeIndex from 0. Raises InputError."""
        path = source["file"]
        options, truths, header = self._tables[source["table"]]
        data = read_range(path, source["start"], source["end"])
        try:
            frame = self._pandas.read_csv(io.BytesIO(header + data), **options)
        except Exception as error:
            raise InputError(path, _reason(error, source)) from error
        if not isinstance(frame.index, self._pandas.RangeIndex):  # pandas makes an index of what is too much
            raise InputError(path, "%s: the first one has more fields than the table has columns" % _where(source))
        if len(frame) != source["rows"]:
            raise InputError(
                path,
                "bytes %d to %d hold %d rows, but %d were counted when the mini-batches were made: the file was changed"
                % (source["start"], source["end"], len(frame), source["rows"]),
            )
        for name in truths:
            frame[name] = _truth_column(frame[name], path, source)
        return frame

    def read_part(self, source, start, end):
        """
        Only the rows `start` to `end` of one source: as if they were a source of their own. A row elsewhere in it that
        cannot be read doesn't keep them from being read. Raises InputError.
        """
        try:
            frame = self.read(source)
        except InputError:
            smaller = _narrowed(source, start, end, self._tables[source["table"]][0]["sep"])
            if smaller is None:
                raise
            return self.read(smaller)
        return frame.iloc[start:end].reset_index(drop=True)


def _options(table):
    """
    -> (arguments of read_csv, names of the truth columns, line to put in front of each slice). The line says how wide
    the table is: pandas before 2.0 refuses a slice whose rows all end early.
    """
    columns = table["schema"]["columns"]
    names = [column["name"] for column in columns]
    header = (table["delimiter"].join("c%d" % number for number in range(len(names))) + "\n").encode("utf-8")
    options = {
        "sep": table["delimiter"],
        "header": 0,
        "names": names,
        "keep_default_na": False,
        "na_values": list(MISSING),
        "dtype": {column["name"]: _DTYPES[column["type"]] for column in columns},
        "encoding": "utf-8",
        "engine": "c",
        "low_memory": False,
    }
    return options, [column["name"] for column in columns if column["type"] == "nullable-bool"], header


def _truth_column(column, path, source):
    """Texts to True, False and NaN, as pandas reads a whole column of truth values with gaps."""
    mapped = column.map(_TRUTH).astype(object)
    wrong = mapped.isna() & column.notna()
    if wrong.any():
        raise InputError(path, "column %r holds %r where True or False was found before: the file was changed, or its "
                               "types vary (%s)" % (column.name, column[wrong].iloc[0], _where(source)))
    return mapped


def read_range(path, start, end):
    """Bytes `start` to `end` of the file. Raises InputError where they are not all there or start within a row."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _input_error(path, error) from error
    try:
        if start > 0 and os.pread(fd, 1, start - 1) not in (b"\n", b"\r"):
            raise InputError(path, "byte %d is not the start of a row any more: the file was changed" % start)
        pieces = []
        at = start
        while at < end:
            piece = os.pread(fd, min(end - at, 64 * 1024 * 1024), at)
            if not piece:
                raise InputError(path, "it ends at byte %d, %d were there when the mini-batches were made: the file was "
                                       "changed" % (at, end))
            pieces.append(piece)
            at += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    except OSError as error:
        raise _input_error(path, error) from error
    finally:
        os.close(fd)


def _narrowed(source, start, end, delimiter):
    """The source of rows `start` to `end` of a source alone; None where it doesn't hold the rows that were counted."""
    data = read_range(source["file"], source["start"], source["end"])
    mark = re.escape(delimiter.encode("utf-8"))
    field = rb'(?:"[^"]*(?:""[^"]*)*")?[^\r\n' + mark + rb"]*"
    row = re.compile(field + rb"(?:" + mark + field + rb")*(?:\r\n|\r|\n|\Z)")
    blank = b" \t\r\n".replace(delimiter.encode("utf-8"), b"")
    starts = [found.start() for found in row.finditer(data) if found.group().strip(blank)]
    if len(starts) != source["rows"]:
        return None
    ends = starts[1:] + [len(data)]
    at = source["start"]
    return dict(source, start=at + starts[start], end=at + ends[end - 1], firstRow=source["firstRow"] + start,
                rows=end - start)


def _input_error(path, error):
    name = errno_names.errorcode.get(error.errno) if error.errno is not None else None
    return InputError(path, error.strerror or str(error), name)


def _reason(error, source):
    return "pandas cannot read %s: %s: %s" % (_where(source), type(error).__name__, str(error)[:500].strip())


def _where(source):
    return "rows %d to %d" % (source["firstRow"], source["firstRow"] + source["rows"] - 1)
