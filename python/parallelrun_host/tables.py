"""
Table mini-batches: rows of a file become what `run()` gets, with the columns and types of the whole input. Libraries are
imported only where a run has tables, and only those that its formats and its hand-over need.
"""
import importlib
import sys

from .columnar import Numbered
from .columnarfiles import ArrowParts, ParquetParts, polars_arrow, polars_parquet
from .csvtable import CsvFrames, CsvRows
from .convert import Misfit
from .handover import ToArrow, ToList, ToPandas, ToPolars
from .jsontable import JsonLines
from .minibatch import InputError
from .view import constants, read_columns, visible, with_view

_HAND_OVERS = {"pandas": ToPandas, "pyarrow": ToArrow, "polars": ToPolars, "list": ToList}
_RECEIVED = {"pandas": "a pandas DataFrame", "pyarrow": "a pyarrow Table", "polars": "a polars DataFrame"}
_FORMATS = {"parquet": "Parquet", "arrow": "Arrow IPC"}
_OPENERS = {
    ("parquet", "pyarrow"): ParquetParts, ("parquet", "polars"): polars_parquet,
    ("arrow", "pyarrow"): ArrowParts, ("arrow", "polars"): polars_arrow,
}

LIBRARY_MISSING = (
    "PR2902 {library} is not installed for {python}, and run() gets table rows as {received}. Add {library} to the "
    "packages of the job (--requirements FILE, or pip packages in its conda_file), or name an interpreter that has it "
    "with --python PATH"
)
NO_READER = (
    "PR2905 there is no reader for {format} in this environment: neither pyarrow nor polars is installed for {python}. "
    "Add pyarrow to the packages of the job (--requirements FILE, or pip packages in its conda_file), or name an "
    "interpreter that has it with --python PATH"
)


class Tables:
    """
    The tables of a run, each with its schema. `hand_over`: pandas, pyarrow, polars or list.
    Raises ModuleNotFoundError, with what to do about it, where a library is missing.
    """

    def __init__(self, tables, hand_over="pandas"):
        self._hand_over = hand_over
        self._libraries = {}
        if hand_over != "list" and not self._find(hand_over):
            raise ModuleNotFoundError(LIBRARY_MISSING.format(
                library=hand_over, python=sys.executable, received=_RECEIVED[hand_over]), name=hand_over)
        readers = {"csv": self._csv, "jsonl": self._jsonl, "parquet": self._numbered, "arrow": self._numbered}
        self._tables = [readers[table["format"]](table) for table in tables]
        self._targets = [self._target(table) for table in tables]
        self._in_path = [[column for column in visible(table["schema"]["columns"]) if column.get("path")]
                         for table in tables]

    def read(self, source):
        """The rows of one source. Raises InputError."""
        return self._with_paths(source, self._tables[source["table"]].read(source))

    def read_part(self, source, start, end):
        """Only the rows `start` to `end` of one source, as if they were a source of their own. Raises InputError."""
        return self._with_paths(source, self._tables[source["table"]].read_part(source, start, end))

    def first_value(self, source, batch, name):
        """The value of a column in the first row of what `read` gave; None where it is missing."""
        return self._targets[source["table"]].first_value(batch, name)

    def _with_paths(self, source, batch):
        columns = self._in_path[source["table"]]
        if not columns:
            return batch
        values = dict(source.get("keys", ()))
        values.update(source.get("paths", ()))
        try:
            found = constants(columns, values)
        except Misfit as error:
            raise InputError(source["file"], "of its path, " + str(error)) from None
        return self._targets[source["table"]].with_constants(batch, found)

    def _find(self, library):
        """The module, imported; None where it is not installed."""
        if library not in self._libraries:
            try:
                self._libraries[library] = importlib.import_module(library)
            except ModuleNotFoundError as error:
                if error.name != library:
                    raise
                self._libraries[library] = None
        return self._libraries[library]

    def _target(self, table):
        columns = visible(table["schema"]["columns"])
        own = [column for column in columns if not column.get("path")]
        target = _HAND_OVERS[self._hand_over](own, self._libraries)
        return with_view(target, table["schema"]["columns"], self._libraries)

    def _csv(self, table):
        target, table = self._target(table), _in_file(table)
        if self._hand_over != "list" and self._find("pandas"):
            return CsvFrames(table, self._libraries["pandas"], target.of_frame)
        return CsvRows(table, target.of_columns)

    def _jsonl(self, table):
        return JsonLines(_in_file(table), self._target(table).of_columns)

    def _numbered(self, table):
        target, table = self._target(table), _in_file(table)
        for library, method in (("pyarrow", "of_arrow"), ("polars", "of_polars")):
            if self._find(library):
                opener = _OPENERS[table["format"], library]
                join = getattr(self._libraries[library], "concat_tables" if library == "pyarrow" else "concat")
                return Numbered(table, lambda path: opener(self._libraries, path), join, getattr(target, method))
        raise ModuleNotFoundError(NO_READER.format(format=_FORMATS[table["format"]], python=sys.executable),
                                  name="pyarrow")


def _in_file(table):
    """The table with the columns that its files have: values of the others stand in the source."""
    return dict(table, schema=dict(table["schema"], columns=read_columns(table["schema"]["columns"])))
