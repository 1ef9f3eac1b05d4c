"""
The formats of the append_row file that are text, each a class with the same methods: text of list elements, of a pandas
frame, of rows of another table library (`TableRows`); every text ends in a line break. Lone surrogates become backslash-u
when the text is encoded, so the output is always valid UTF-8. Parquet: see blocks.py.
"""
import json
import re
import sys

from .plainframe import plain_lines
from .returned import array_values


class TxtFormat:
    """`str(element)` and a newline. DataFrame: one line a row, separated by one space, pandas' quoting, no header."""

    has_columns = False
    separator = " "
    _quoted = re.compile('[" \r\n]')
    #: A zero byte too: not every Python writes it.
    _strange = re.compile('[" \r\n\0]')

    def elements(self, chunk):
        return "\n".join(map(str, chunk)) + "\n"

    def frame(self, frame):
        plain = plain_lines(frame, self.separator, self._strange)
        return frame.to_csv(sep=self.separator, header=False, index=False) if plain is None else plain

    def rows(self, table):
        return "".join([self._line(row) for row in table.rows()])

    def _line(self, fields):
        quoted = self._quoted
        texts = []
        for field in fields:
            text = "" if field is None else str(field)
            texts.append('"' + text.replace('"', '""') + '"' if quoted.search(text) else text)
        # a row of one empty field must not become an empty line, which readers skip
        return (self.separator.join(texts) or '""') + "\n"


class CsvFormat(TxtFormat):
    """RFC 4180 with line feeds: a text is one field, a list or tuple is a row of fields. The header comes at the end."""

    has_columns = True
    separator = ","
    _quoted = re.compile('[",\r\n]')
    _strange = re.compile('[",\r\n\0]')

    def elements(self, chunk):
        return "".join([self._line(_fields(element)) for element in chunk])

    def frame(self, frame):
        text = super().frame(frame)
        if "\r" in text:
            # some Pythons leave a bare carriage return unquoted, and readers then see two rows
            text = frame.to_csv(sep=",", header=False, index=False, quoting=_QUOTE_NONNUMERIC)
        return text


_QUOTE_NONNUMERIC = 2


def _fields(element):
    if isinstance(element, (list, tuple)):
        return element
    item = getattr(element, "tolist", None)
    if item is not None and not isinstance(element, (str, int, float)) and is_numpy(element):
        values = array_values(element) if getattr(element, "ndim", 0) else item()
        return values if isinstance(values, (list, tuple)) else (element,)
    return (element,)


def is_numpy(value):
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic))


class JsonlFormat:
    """One JSON value a line. NaN, Infinity and missing values are null; what JSON doesn't know is its text."""

    has_columns = False

    def __init__(self, separators=None):
        self._encode = json.JSONEncoder(
            ensure_ascii=False, allow_nan=False, default=plain, separators=separators).encode

    def elements(self, chunk):
        return "".join([self._line(element) for element in chunk])

    def frame(self, frame):
        columns = [_column_values(frame.iloc[:, at]) for at in range(frame.shape[1])]
        return self._objects([str(name) for name in frame.columns], zip(*columns) if columns else [()] * len(frame))

    def rows(self, table):
        return self._objects(table.names, table.rows())

    def _objects(self, columns, rows):
        names = distinct(columns)
        return "".join([self._line(dict(zip(names, row))) for row in rows])

    def _line(self, value):
        return self.text(value) + "\n"

    def text(self, value):
        try:
            return self._encode(value)
        except (ValueError, TypeError):
            return self._encode(_plain_all(value))


def _column_values(series):
    # pandas' own float types hold NA, which cannot be compared
    if getattr(series.dtype, "kind", "O") == "f" and not hasattr(series.dtype, "na_value"):
        return [None if value != value else value for value in array_values(series.to_numpy())]
    return series.tolist()


def distinct(names):
    """Column names that occur twice get a number, so that no value is lost."""
    taken = set(names)
    seen = set()
    result = []
    for name in names:
        count = 0
        unique = name
        while unique in seen or (count and unique in taken):
            count += 1
            unique = "%s.%d" % (name, count)
        seen.add(unique)
        result.append(unique)
    return result


def plain(value):
    """JSON value of what the encoder doesn't know."""
    if is_numpy(value):
        if getattr(value, "ndim", 0):
            return array_values(value)
        kind = value.dtype.kind
        if kind == "f":
            return float(str(value))
        return value.item() if kind in "biufO" else str(value)
    pandas = sys.modules.get("pandas")
    if pandas is not None and (value is pandas.NaT or value is getattr(pandas, "NA", None)):
        return None
    iso = getattr(value, "isoformat", None)
    return iso() if callable(iso) else str(value)


_INFINITE = (float("inf"), float("-inf"))


def _plain_all(value):
    """A copy that strict JSON can hold: NaN is null, keys are texts."""
    if isinstance(value, float):
        return None if value != value or value in _INFINITE else float(value)
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _plain_all(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_all(item) for item in value]
    return _plain_all(plain(value))
