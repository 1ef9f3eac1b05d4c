"""
What the script gets of rows: a pandas DataFrame, a pyarrow Table, a polars DataFrame or a list of dicts. Each is made of
columns of Python values (None: missing), and where the libraries allow it of pandas' frame of a CSV table, of a pyarrow
Table or of a polars DataFrame: the same values and types whatever it is made of, and in each slice (docs/tables.md).
"""
import json

from .view import arrow_type, polars_type, series_of


class TypeChanged(ValueError):
    """A column holds what it did not hold when the types were decided."""


class ToList:
    """Dicts of Python values, by the standard library alone."""

    def __init__(self, columns, libraries):
        self._names = [column["name"] for column in columns]
        self._libraries = libraries

    def of_columns(self, columns, rows):
        if not self._names:
            return [{} for _ in range(rows)]
        return [dict(zip(self._names, values)) for values in zip(*columns)]

    def of_arrow(self, table):
        # nanoseconds would be of one type with pandas and of another without
        arrow = self._libraries["pyarrow"]
        columns = []
        for column in table.columns:
            kind = column.type
            if arrow.types.is_timestamp(kind) and kind.unit == "ns":
                column = column.cast(arrow.timestamp("us", kind.tz), safe=False)
            elif arrow.types.is_duration(kind) and kind.unit == "ns":
                column = column.cast(arrow.duration("us"), safe=False)
            columns.append(column.to_pylist())
        return self.of_columns(columns, table.num_rows)

    def of_polars(self, frame):
        return self.of_columns([column.to_list() for column in frame.get_columns()], frame.height)

    def with_constants(self, rows, columns):
        """With columns of one value each, behind the others: (name, type, value)."""
        constants = {name: value for name, _, value in columns}
        for row in rows:
            row.update(constants)
        return rows

    def first_value(self, rows, name):
        return rows[0][name]


class ToPandas:
    def __init__(self, columns, libraries):
        self._libraries = libraries
        self._pandas = libraries["pandas"]
        self._kinds = {column["name"]: column["type"] for column in columns}
        self._gaps = frozenset(column["name"] for column in columns if column.get("missing"))
        self._text = self._pandas.Series(["text"]).dtype  # object, of its own since pandas 3

    def of_columns(self, columns, rows):
        series = {name: series_of(self._pandas, values, kind)
                  for values, (name, kind) in zip(columns, self._kinds.items())}
        return self._pandas.DataFrame(series, index=self._pandas.RangeIndex(rows))

    def of_frame(self, frame):
        return frame

    def of_arrow(self, table):
        types = self._libraries["pyarrow"].types
        columns, truths = [], []
        for name, column in zip(table.column_names, table.columns):
            if types.is_integer(column.type) and self._has_gaps(name, column.null_count):
                column = column.cast("float64", safe=False)
            elif types.is_boolean(column.type) and self._has_gaps(name, column.null_count):
                truths.append(name)
            columns.append(column)
        frame = type(table).from_arrays(columns, table.column_names).to_pandas(use_threads=False)
        for name in truths:
            frame[name] = frame[name].astype(object)
        return frame

    def of_polars(self, frame):
        return self._pandas.DataFrame(
            {column.name: self._of_polars(column) for column in frame.get_columns()},
            index=self._pandas.RangeIndex(frame.height))

    def with_constants(self, frame, columns):
        for name, kind, value in columns:
            frame[name] = series_of(self._pandas, [value] * len(frame), kind)
        return frame

    def first_value(self, frame, name):
        value = frame[name].iloc[0]
        if type(value).__module__ == "numpy" and value.ndim == 0:
            value = value.item()
        return value if type(value) in (str, list, dict) or value == value else None

    def _of_polars(self, column):
        """As pyarrow's `to_pandas` makes it, which polars' own needs."""
        kind = str(column.dtype).partition("(")[0]
        if kind.startswith(("Int", "UInt")):
            values = column.to_numpy()
            return values.astype("float64") if self._has_gaps(column.name, column.null_count()) else values
        if kind in ("Float32", "Float64"):
            return column.to_numpy()
        if kind == "Boolean" and not self._has_gaps(column.name, column.null_count()):
            return column.to_numpy()
        if kind in ("Datetime", "Duration"):
            series = self._pandas.Series(column.to_numpy())
            zone = getattr(column.dtype, "time_zone", None)
            return series.dt.tz_localize("UTC").dt.tz_convert(zone) if zone else series
        values = column.to_list()
        if kind in ("String", "Utf8"):
            return self._pandas.Series(values, dtype=self._text)
        if kind in ("List", "Array"):
            values = [None if value is None else value.to_numpy() for value in column]
        return self._pandas.Series(values, dtype=object)

    def _has_gaps(self, name, missing):
        """Whether the column has gaps anywhere in the input: then its type is another one than without."""
        if missing and name not in self._gaps:
            raise TypeChanged("column %r lacks values where none was missing before" % name)
        return name in self._gaps


class ToArrow:
    def __init__(self, columns, libraries):
        self._arrow = libraries["pyarrow"]
        self._columns = [(column["name"], column["type"]) for column in columns]

    def of_columns(self, columns, rows):
        arrow = self._arrow
        if not self._columns:
            return arrow.table({"": arrow.nulls(rows)}).select([])
        return self._table([arrow.array(_texts(values, kind), self._type(kind))
                            for values, (_, kind) in zip(columns, self._columns)])

    def of_frame(self, frame):
        return self._table([self._arrow.array(frame[name], self._type(kind), from_pandas=True)
                            for name, kind in self._columns])

    def of_arrow(self, table):
        return table

    def with_constants(self, table, columns):
        for name, kind, value in columns:
            table = table.append_column(name, self._arrow.array([value] * table.num_rows, self._type(kind)))
        return table

    def first_value(self, table, name):
        return table.column(name)[0].as_py()

    def _table(self, arrays):
        return self._arrow.Table.from_arrays(arrays, [name for name, _ in self._columns])

    def _type(self, kind):
        return arrow_type(self._arrow, kind)


class ToPolars:
    def __init__(self, columns, libraries):
        self._libraries = libraries
        self._polars = libraries["polars"]
        self._columns = [(column["name"], column["type"]) for column in columns]

    def of_columns(self, columns, rows):
        if not self._columns:
            return self._polars.DataFrame({"": [None] * rows}).select([])
        return self._frame([_texts(values, kind) for values, (_, kind) in zip(columns, self._columns)])

    def of_frame(self, frame):
        lists = []
        for name, kind in self._columns:
            column = frame[name]
            objects = kind in ("string", "nullable-bool")
            lists.append([None if value != value else value for value in column] if objects else column.to_numpy())
        return self._frame(lists)

    def of_arrow(self, table):
        columns = [self._aligned(column) for column in table.columns]
        return self._polars.from_arrow(type(table).from_arrays(columns, table.column_names))

    def of_polars(self, frame):
        return frame

    def with_constants(self, frame, columns):
        return frame.with_columns([
            self._polars.Series(name, [value] * frame.height, self._type(kind)) for name, kind, value in columns])

    def first_value(self, frame, name):
        return frame.get_column(name)[0]

    def _aligned(self, column):
        """polars takes wrong decimals where they don't lie at multiples of 16 bytes, as in an Arrow file."""
        if "decimal" not in str(column.type) or column.num_chunks == 0:
            return column
        return self._libraries["pyarrow"].concat_arrays(column.chunks + [column.chunk(0).slice(0, 0)])

    def _frame(self, columns):
        return self._polars.DataFrame([
            self._polars.Series(name, values, self._type(kind), nan_to_null=True)
            for values, (name, kind) in zip(columns, self._columns)])

    def _type(self, kind):
        return polars_type(self._polars, kind)


def _texts(values, kind):
    """Objects, lists and mixed values have no type of their own in an Arrow table: they are JSON there."""
    if kind != "json":
        return values
    return [None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values]
