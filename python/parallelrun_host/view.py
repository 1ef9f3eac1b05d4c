"""
What an MLTable makes of the columns that were read: some are not handed over, some are converted, and what the path of
the file names stands behind them. A hand-over with a view has the methods of one without (see handover.py).
"""
from .convert import Misfit, converted

_PLAIN = frozenset(["int64", "bool"])  # in these columns no value is missing


def read_columns(columns):
    """The columns that the files hold, as they are read. `text`: an empty field is an empty text."""
    found = []
    for column in columns:
        if column.get("path"):
            continue
        column = column["convert"]["from"] if "convert" in column else column
        found.append(dict(column, type="text") if column.get("empty") else column)
    return found


def with_view(target, columns, libraries):
    """The hand-over itself, where the columns are handed over as they are read."""
    own = [column for column in columns if not column.get("path")]
    if any("convert" in column or column.get("hidden") for column in own):
        return _Viewed(target, own, libraries)
    return target


def visible(columns):
    return [column for column in columns if not column.get("hidden")]


def constants(columns, values):
    """-> (name, type, value) of the columns that paths name. Raises Misfit."""
    found = []
    for column in columns:
        name, value = column["name"], values[column["name"]]
        if "convert" in column:
            value = converted([value], name, column["convert"]["to"])[0]
        found.append((name, column["type"], value))
    return found


class _Viewed:
    def __init__(self, target, columns, libraries):
        self._target = target
        self._libraries = libraries
        self._columns = columns
        self._names = [column["name"] for column in visible(columns)]
        self._converted = {column["name"]: column for column in visible(columns) if "convert" in column}
        self.with_constants = target.with_constants
        self.first_value = target.first_value

    def of_columns(self, columns, rows):
        found = []
        for values, column in zip(columns, self._columns):
            if not column.get("hidden"):
                name = column["name"]
                found.append(self._values(name, values) if name in self._converted else values)
        return self._target.of_columns(found, rows)

    def of_frame(self, frame):
        view = frame[self._names]
        for name, column in self._converted.items():
            view = view.assign(**{name: series_of(self._libraries["pandas"], self._values(name, frame[name]),
                                                  column["type"])})
        return self._target.of_frame(view)

    def of_arrow(self, table):
        arrow = self._libraries["pyarrow"]
        view = table.select(self._names)
        for name, column in self._converted.items():
            values = converted(table.column(name).to_pylist(), name, column["convert"]["to"])
            view = view.set_column(self._names.index(name), name, arrow.array(values, arrow_type(arrow, column["type"])))
        return self._target.of_arrow(view)

    def of_polars(self, frame):
        polars = self._libraries["polars"]
        view = frame.select(self._names)
        for name, column in self._converted.items():
            values = converted(frame.get_column(name).to_list(), name, column["convert"]["to"])
            view = view.with_columns(polars.Series(name, values, polars_type(polars, column["type"])))
        return self._target.of_polars(view)

    def _values(self, name, values):
        column = self._converted[name]
        to = column["convert"]["to"]
        found = converted(values, name, to)
        if column["type"] in _PLAIN and None in found:
            raise Misfit(found.index(None), name, None, to)
        return found


def series_of(pandas, values, kind):
    """A Series of Python values; None: missing."""
    if kind == "datetime":
        # pandas before 2 knows nanoseconds alone
        return pandas.Series(values, dtype="datetime64[%s]" % ("ns" if pandas.__version__.startswith(("0.", "1.")) else "us"))
    if kind in ("string", "nullable-bool"):
        values = [_NAN if value is None else value for value in values]
    return pandas.Series(values, dtype=object if kind in ("string", "nullable-bool", "json") else kind)


_NAN = float("nan")


def arrow_type(arrow, kind):
    if kind == "datetime":
        return arrow.timestamp("us")
    names = {"bool": "bool_", "nullable-bool": "bool_", "string": "string", "json": "string"}
    return getattr(arrow, names.get(kind, kind))()


def polars_type(polars, kind):
    if kind == "datetime":
        return polars.Datetime("us")
    names = {"bool": "Boolean", "nullable-bool": "Boolean", "string": "Utf8", "json": "Utf8", "uint64": "UInt64"}
    return getattr(polars, names.get(kind, kind.capitalize()))
