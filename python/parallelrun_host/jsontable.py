"""JSON Lines: a byte range of lines, an object each, becomes rows with the columns and types of the whole input."""
import json

from .slices import check_count, converted, handed_over, read_slice, row_error

#: What a row is not made of.
_BLANK = b" \t\r"
_NONE = type(None)
# of what `json.loads` does, the part that is not about where its text comes from
_scan = json.JSONDecoder().scan_once


class JsonLines:
    """Rows of one table. `convert(columns, rows)` makes of them what the script gets."""

    def __init__(self, table, convert):
        self._convert = convert
        self._columns = [(column["name"], column["type"]) for column in table["schema"]["columns"]]
        self._names = frozenset(name for name, _ in self._columns)

    def read(self, source):
        """All rows of a source. Raises InputError."""
        return self.read_part(source, 0, source["rows"])

    def read_part(self, source, start, end):
        """The rows `start` to `end` of a source: those around them are not looked at. Raises InputError."""
        lines = [line for line in read_slice(source).split(b"\n") if line.strip(_BLANK)]
        check_count(source, len(lines))
        rows = [self._row(line.strip(_BLANK), source, number) for number, line in enumerate(lines[start:end], start)]
        columns = []
        for name, kind in self._columns:
            values = [row.get(name) for row in rows]
            columns.append(converted(source, start, values, name, kind, _CONVERTERS[kind]))
        return handed_over(source, start, self._convert, columns, len(rows))

    def _row(self, line, source, number):
        try:
            text = line.decode("utf-8")
            row, end = _scan(text, 0)
            if end != len(text):
                raise ValueError("there is more behind it")
        except UnicodeDecodeError as error:
            raise row_error(source, number, "it is not UTF-8 text") from error
        except StopIteration as error:
            raise row_error(source, number, "it is not JSON: no value at character %d" % (error.value + 1)) from error
        except (ValueError, RecursionError) as error:
            raise row_error(source, number, "it is not one JSON object in a line: %s" % error) from error
        if type(row) is not dict:
            raise row_error(source, number, "it is %s, and a row is a JSON object" % _describe(row))
        if not self._names.issuperset(row):
            key = next(key for key in row if key not in self._names)
            raise row_error(source, number, "it has the key %r, which is no column of the table: the file was changed, "
                                            "or its keys vary" % key)
        return row


def _describe(value):
    return {list: "a list", str: "a text", bool: "true or false", _NONE: "null"}.get(type(value), "a number")


def _int64(values):
    return _integers(values, -2 ** 63, 2 ** 63 - 1)


def _uint64(values):
    return _integers(values, 0, 2 ** 64 - 1)


def _integers(values, least, most):
    if not set(map(type, values)) <= {int} or not least <= min(values) or not max(values) <= most:
        raise ValueError
    return values


def _float64(values):
    if not set(map(type, values)) <= {int, float, _NONE}:
        raise ValueError
    return [None if value is None or value != value else float(value) for value in values]


def _bool(values):
    return _of_kinds(values, {bool})


def _nullable_bool(values):
    return _of_kinds(_without_nan(values), {bool, _NONE})


def _string(values):
    return _of_kinds(_without_nan(values), {str, _NONE})


def _without_nan(values):
    """Python and others write NaN where a value is missing."""
    return [None if value != value else value for value in values] if float in set(map(type, values)) else values


def _of_kinds(values, kinds):
    if not set(map(type, values)) <= kinds:
        raise ValueError
    return values


_CONVERTERS = {
    "int64": _int64,
    "uint64": _uint64,
    "float64": _float64,
    "bool": _bool,
    "nullable-bool": _nullable_bool,
    "string": _string,
    "json": lambda values: values,
}
