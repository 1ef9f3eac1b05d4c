"""
Rows of a Parquet result on their way: blocks, each a line that describes its columns and a line with their cells, column
by column, as `src/domain/block.ts` says. The types are those of the frame or table that was returned; of other values they
are found by looking at all of them.
"""
import base64
import datetime
import decimal
import json
import sys

from .formats import JsonlFormat, distinct, is_numpy, plain

#: A longer line of cells is cut in two, down to a single row: it has to be read back as a whole.
_BLOCK_CHARACTERS_MAX = 16 * 1024 * 1024
_SAFE = 2 ** 53 - 1
_DECIMAL_DIGITS_MAX = 38
_VALUE = "value"
_NONE = type(None)
_EPOCH = datetime.datetime(1970, 1, 1)
_EPOCH_UTC = _EPOCH.replace(tzinfo=datetime.timezone.utc)
_EPOCH_DAY = _EPOCH.toordinal()
_MICROSECOND = datetime.timedelta(microseconds=1)
_TYPES = {
    "int8": "int32", "int16": "int32", "int32": "int32", "uint8": "int32", "uint16": "int32",
    "int64": "int64", "uint32": "int64", "uint64": "uint64",
    "halffloat": "float32", "float16": "float32", "float": "float32", "float32": "float32",
    "double": "float64", "float64": "float64", "bool": "bool", "boolean": "bool",
    "string": "string", "large_string": "string", "string_view": "string", "utf8": "string", "str": "string",
    "binary": "binary", "large_binary": "binary", "binary_view": "binary",
}
_WHOLE = ("int32", "int64", "uint64")
_FLOATS = ("float32", "float64")
_COMPACT = (",", ":")
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=_COMPACT).encode
_json_text = JsonlFormat(_COMPACT).text


class ParquetFormat:
    """Blocks. Elements that are no dicts go to a column `value`; columns come in the order in which they first appear."""

    has_columns = False

    def elements(self, chunk):
        columns = {}
        for row, element in enumerate(chunk):
            pairs = element.items() if isinstance(element, dict) else ((_VALUE, element),)
            for key, value in pairs:
                name = key if type(key) is str else str(key)
                cells = columns.setdefault(name, [])
                if len(cells) > row:
                    raise ValueError("two keys of a row are both written as %r" % name)
                cells.extend([None] * (row - len(cells)))
                cells.append(value)
        for cells in columns.values():
            cells.extend([None] * (len(chunk) - len(cells)))
        return _block([(name, found(cells, False)) for name, cells in columns.items()], len(chunk))

    def frame(self, frame):
        names = distinct([str(name) for name in frame.columns])
        return _block([(name, _series(frame.iloc[:, at])) for at, name in enumerate(names)], len(frame))

    def rows(self, table):
        columns = [_polars(column) if hasattr(column, "to_physical") else _arrow(column)
                   for column in table.native_columns()]
        return _block(list(zip(distinct(table.names), columns)), table.length)


def _block(columns, rows):
    """`columns`: (name, (description, cells))."""
    cells = _encode([values for _, (_, values) in columns])
    if len(cells) > _BLOCK_CHARACTERS_MAX and rows > 1:
        half = rows // 2
        return (_block([(name, (kind, values[:half])) for name, (kind, values) in columns], half) +
                _block([(name, (kind, values[half:])) for name, (kind, values) in columns], rows - half))
    # the bytes of the text as they will be written
    size = len(cells.encode("utf-8", "backslashreplace")) + 1
    head = {"rows": rows, "bytes": size, "columns": [dict(kind, name=name) for name, (kind, _) in columns]}
    return _encode(head) + "\n" + cells + "\n"


# -- values of any kind -------------------------------------------------------------------------------------------


def found(values, nan_is_missing):
    """-> (description, cells) of Python values. `nan_is_missing`: as in pandas, where NaN stands for no value."""
    if nan_is_missing:
        values = [None if value is None or (isinstance(value, float) and value != value) else value for value in values]
    kinds = set(map(type, values))
    kinds.discard(_NONE)
    if not kinds <= _KNOWN.keys():
        _know_pandas()
        arrays = _numpy_values(values, kinds)
        if arrays is not None:
            return arrays
        values = [_simple(value) for value in values]
        kinds = set(map(type, values))
        kinds.discard(_NONE)
    if not kinds:
        return {"type": "null"}, values
    if kinds == {int, float} and _all_safe(values):
        return _floats(values, "float64")
    if kinds == {int, decimal.Decimal}:
        return _decimals(values)
    return _KNOWN[kinds.pop()](values) if len(kinds) == 1 else _texts_of_json(values)


def _simple(value):
    """A value of a type in `_KNOWN`, or None."""
    kind = type(value)
    if value is None or kind in _KNOWN:
        return value
    pandas = sys.modules.get("pandas")
    if pandas is not None and (value is pandas.NaT or value is getattr(pandas, "NA", None)):
        return None
    if is_numpy(value) and not getattr(value, "ndim", 0) and value.dtype.kind in "biufO":
        return _simple(value.item())
    for known in (bool, int, float, str, bytes, dict, list, tuple, decimal.Decimal):
        if isinstance(value, known):
            return known.__str__(value) if known is str else value if known is dict else known(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, datetime.datetime):
        return value if pandas is not None and isinstance(value, pandas.Timestamp) else _plain_time(value)
    return _simple(plain(value))


def _plain_time(value):
    return datetime.datetime(value.year, value.month, value.day, value.hour, value.minute, value.second,
                             value.microsecond, value.tzinfo, fold=value.fold)


def _numpy_values(values, kinds):
    """numpy's numbers and times keep their type where all are of one; None where they aren't."""
    numpy = sys.modules.get("numpy")
    if len(kinds) != 1 or numpy is None or None in values:
        return None
    kind = next(iter(kinds))
    if not issubclass(kind, (numpy.number, numpy.bool_, numpy.datetime64)) or issubclass(kind, numpy.complexfloating):
        return None
    return _array(numpy.array(values), False)


def _all_safe(values):
    return all(type(value) is not int or -_SAFE <= value <= _SAFE for value in values)


def _same(kind):
    return lambda values: ({"type": kind}, values)


def _whole(values, kind=None):
    present = [value for value in values if value is not None]
    if not present:
        return {"type": kind or "int64"}, values
    low, high = min(present), max(present)
    if kind is None:
        kind = "int64" if -2 ** 63 <= low and high < 2 ** 63 else "uint64" if 0 <= low and high < 2 ** 64 else None
        if kind is None:
            return _decimals(values)
    if low < -_SAFE or high > _SAFE:
        values = [value if value is None or -_SAFE <= value <= _SAFE else str(value) for value in values]
    return {"type": kind, "range": [str(low), str(high)]}, values


def _floats(values, kind="float64"):
    try:
        _encode(values)
        return {"type": kind}, values
    except ValueError:
        return {"type": kind}, [_float_cell(value) for value in values]


def _float_cell(value):
    if value is None or value - value == 0:
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _decimals(values):
    texts, whole, scale = [], 1, 0
    for value in values:
        if value is None:
            texts.append(None)
            continue
        if type(value) is not int and not value.is_finite():
            return _texts_of_json(values)
        text = str(value) if type(value) is int else format(value, "f")
        before, _, behind = text.lstrip("-").partition(".")
        whole, scale = max(whole, len(before.lstrip("0"))), max(scale, len(behind))
        texts.append(text)
    if whole + scale > _DECIMAL_DIGITS_MAX:
        return _texts_of_json(values)
    return {"type": "decimal", "digits": whole + scale, "scale": scale}, texts


def _binary(values):
    return {"type": "binary"}, [None if value is None else base64.b64encode(value).decode("ascii") for value in values]


def _dates(values):
    return {"type": "date"}, [None if value is None else value.toordinal() - _EPOCH_DAY for value in values]


def _datetimes(values):
    zoned = {value.tzinfo is not None and value.utcoffset() is not None for value in values if value is not None}
    if len(zoned) > 1:
        return _texts_of_json(values)
    utc = zoned.pop()
    epoch = _EPOCH_UTC if utc else _EPOCH
    return _times([None if value is None else (value - epoch) // _MICROSECOND for value in values], "us", utc)


def _timestamps(values):
    """pandas' own: to the nanosecond."""
    zoned = {value.tzinfo is not None for value in values if value is not None}
    return _times([None if v is None else v.value for v in values], "ns", zoned.pop()) if len(zoned) == 1 else \
        _texts_of_json(values)


def _times(values, unit, utc):
    whole, cells = _whole(values, "int64")
    kind = {"type": "timestamp", "unit": unit, "utc": utc}
    if "range" in whole:
        kind["range"] = whole["range"]
    return kind, cells


def _texts_of_json(values):
    return {"type": "json"}, [None if value is None else _missing_as_none(_json_text(value)) for value in values]


def _missing_as_none(text):
    return None if text == "null" else text


_KNOWN = {
    bool: _same("bool"), int: _whole, float: _floats, str: _same("string"), bytes: _binary, decimal.Decimal: _decimals,
    datetime.date: _dates, datetime.datetime: _datetimes, dict: _texts_of_json, list: _texts_of_json,
    tuple: _texts_of_json,
}


def _know_pandas():
    """Its own time is one more kind of value, where the script has loaded it."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and hasattr(pandas, "Timestamp"):
        _KNOWN[pandas.Timestamp] = _timestamps


# -- columns that have a type --------------------------------------------------------------------------------------


def _array(array, nan_is_missing, utc=False):
    """Of a numpy array with one dimension."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "b":
        return {"type": "bool"}, array.tolist()
    if kind in "iu":
        return _whole(array.tolist(), _TYPES["%sint%d" % ("u" if kind == "u" else "", size * 8)])
    if kind == "f" and size <= 8:
        values = array.tolist()
        if nan_is_missing:
            values = [None if value != value else value for value in values]
        return _floats(values, "float64" if size == 8 else "float32")
    if kind == "M":
        return _datetime64(array, utc)
    return found(array.tolist(), nan_is_missing)


def _datetime64(array, utc):
    numpy = sys.modules["numpy"]
    unit, count = numpy.datetime_data(array.dtype)
    missing = numpy.isnat(array)
    if unit == "D" and count == 1:
        return {"type": "date"}, _with_gaps(array.astype("int64").tolist(), missing)
    if count != 1 or unit not in ("ms", "us", "ns"):
        unit = "ms" if unit in ("Y", "M", "W", "D", "h", "m", "s") else "us"
        array = array.astype("datetime64[%s]" % unit)
    return _times(_with_gaps(array.astype("int64").tolist(), missing), unit, utc)


def _with_gaps(values, missing):
    return [None if gap else value for value, gap in zip(values, missing.tolist())] if missing.any() else values


def _series(series):
    """A column of a pandas frame: NaN is no value there, as where pandas writes Parquet itself."""
    dtype = series.dtype
    if not hasattr(dtype, "na_value"):
        return found(series.tolist(), True) if dtype.kind in "Om" else _array(series.to_numpy(), True)
    if dtype.kind == "M":
        if getattr(dtype, "tz", None) is not None:
            return _array(series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(), True, utc=True)
        if hasattr(dtype, "unit"):
            return _array(series.to_numpy(), True)
    values = [None if missing else value for value, missing in zip(series.tolist(), series.isna().tolist())]
    return _declared(_TYPES.get(str(dtype).lower().partition("[")[0]), values)


def _declared(kind, values):
    """Values of a type that is known; also where all of them are missing."""
    if kind in _WHOLE:
        return _whole(values, kind)
    if kind in _FLOATS:
        return _floats(values, kind)
    if kind == "binary":
        return _binary(values)
    return ({"type": kind}, values) if kind in ("bool", "string") else found(values, False)


def _arrow(column):
    """A column of a pyarrow batch."""
    arrow = sys.modules["pyarrow"]
    kind, types = column.type, arrow.types
    if types.is_dictionary(kind):
        return _arrow(column.cast(kind.value_type))
    if types.is_timestamp(kind):
        values = column.cast(arrow.int64()).to_pylist()
        if kind.unit == "s":
            values = [None if value is None else value * 1000 for value in values]
        return _times(values, "ms" if kind.unit == "s" else kind.unit, kind.tz is not None)
    if types.is_date32(kind):
        return {"type": "date"}, column.cast(arrow.int32()).to_pylist()
    if types.is_date64(kind):
        values = column.cast(arrow.int64()).to_pylist()
        return {"type": "date"}, [None if value is None else value // 86400000 for value in values]
    if types.is_decimal(kind):
        return _decimals_of(column.to_pylist(), kind.precision, kind.scale)
    if types.is_fixed_size_binary(kind):
        return _binary(column.to_pylist())
    if types.is_duration(kind) or types.is_time(kind):
        return _same("string")([None if text is None else text for text in _iso_texts(column)])
    return _declared(_TYPES.get(str(kind)), column.to_pylist())


def _iso_texts(column):
    """Durations and times of day, to the microsecond, as JSON has them."""
    arrow = sys.modules["pyarrow"]
    if column.type.unit == "ns":
        coarse = arrow.time64("us") if arrow.types.is_time(column.type) else arrow.duration("us")
        column = column.cast(coarse, safe=False)
    return [None if value is None else plain(value) for value in column.to_pylist()]


def _polars(column):
    kind = str(column.dtype).partition("(")[0]
    if kind == "Datetime":
        return _times(column.to_physical().to_list(), column.dtype.time_unit, column.dtype.time_zone is not None)
    if kind == "Date":
        return {"type": "date"}, column.to_physical().to_list()
    if kind == "Decimal":
        return _decimals_of(column.to_list(), column.dtype.precision or _DECIMAL_DIGITS_MAX, column.dtype.scale)
    if kind in ("Categorical", "Enum"):
        return {"type": "string"}, column.to_list()
    return _declared(_TYPES.get(kind.lower()), column.to_list())


def _decimals_of(values, digits, scale):
    if digits > _DECIMAL_DIGITS_MAX or scale < 0 or scale > digits:
        return _decimals(values)
    texts = [None if value is None else format(value, "f") for value in values]
    return {"type": "decimal", "digits": digits, "scale": scale}, texts
