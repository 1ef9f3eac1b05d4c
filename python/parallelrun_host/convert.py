"""
Conversions of values, the same for a row whichever host reads it: `src/domain/convert.ts` is this in TypeScript. Times
come without zone, in UTC where the text names one.
"""
import datetime
import re

from .textvalues import TRUTH, number_of, whole_of

_INT64 = (-2 ** 63, 2 ** 63 - 1)
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
           "december")
_PIECES = {
    "Y": r"([0-9]{4})", "y": r"([0-9]{2})", "m": r"([0-9]{1,2})", "b": r"([A-Za-z]{3})", "B": r"([A-Za-z]+)",
    "d": r"([0-9]{1,2})", "H": r"([0-9]{1,2})", "I": r"([0-9]{1,2})", "M": r"([0-9]{1,2})", "S": r"([0-9]{1,2})",
    "f": r"([0-9]{1,6})", "p": r"([AaPp][Mm])", "z": r"(Z|[+-][0-9]{2}:?[0-9]{2})", "%": "%",
}
#: What stands in for "no format": dates, and dates with times.
_ISO = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f",
        "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%d %H:%M:%S%z", "%Y-%m-%d %H:%M:%S.%f%z",
        "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")
_PIECE = re.compile(r"%(.)|[^%]", re.S)


class Misfit(ValueError):
    """A value that can't be converted; `row` counts from 0 among those that were given."""

    def __init__(self, row, name, value, to):
        text = repr(value)
        super().__init__("column %r holds %s, which cannot be converted to %s" % (
            name, text if len(text) <= 80 else text[:77] + "...", to["type"]))
        self.row = row


def converted(values, name, to):
    """Values of a column; None where one is missing. Raises Misfit."""
    convert = _CONVERTERS[to["type"]](to)
    known = {}  # the same texts come again and again
    results = []
    for row, value in enumerate(values):
        if value is None or value != value:
            results.append(None)
            continue
        key = value if type(value) is str else None
        if key is not None and key in known:
            results.append(known[key])
            continue
        try:
            result = convert(value)
        except (ValueError, OverflowError):
            raise Misfit(row, name, value, to) from None
        if key is not None and len(known) < 4096:
            known[key] = result
        results.append(result)
    return results


def _text(value):
    if isinstance(value, (str, bool, int, float)):
        return str(value)
    if isinstance(value, datetime.datetime):
        value = _plain(value)
        return value.isoformat(timespec="milliseconds" if value.microsecond else "seconds")
    if isinstance(value, datetime.date):
        return value.isoformat() + "T00:00:00"
    if isinstance(value, (list, dict)):
        raise ValueError
    return str(value)


def _to_string(_):
    return _text


def _to_int(_):
    def convert(value):
        if isinstance(value, str):
            value = whole_of(value)
        elif isinstance(value, float) and value.is_integer() or isinstance(value, int):
            value = int(value)
        else:
            raise ValueError
        if not _INT64[0] <= value <= _INT64[1]:
            raise ValueError
        return value
    return convert


def _to_float(_):
    def convert(value):
        if isinstance(value, str):
            return number_of(value)
        if isinstance(value, (list, dict, datetime.date)):
            raise ValueError
        return float(value)
    return convert


def _to_boolean(to):
    known = dict(dict.fromkeys(to.get("trueValues", ()), True), **dict.fromkeys(to.get("falseValues", ()), False))
    known = known or dict(TRUTH, **{"1": True, "1.0": True, "0": False, "0.0": False})
    otherwise = to.get("otherwise")

    def convert(value):
        if isinstance(value, bool):
            return value
        found = known.get(_text(value), otherwise)
        if found is None:
            raise ValueError
        return found
    return convert


def _to_datetime(to):
    formats = [_format(text) for text in to["formats"] or _ISO]

    def convert(value):
        if isinstance(value, datetime.datetime):
            return _plain(value)
        if isinstance(value, datetime.date):
            return datetime.datetime(value.year, value.month, value.day)
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise ValueError
        # gaps make floats of whole numbers
        text = str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()
        for names, pattern in formats:
            found = pattern(text)
            if found:
                try:
                    return _time(dict(zip(names, found.groups())))
                except ValueError:
                    pass  # a day that the month doesn't have: another format may take it
        raise ValueError
    return convert


_CONVERTERS = {"string": _to_string, "int": _to_int, "float": _to_float, "boolean": _to_boolean, "datetime": _to_datetime}


def _plain(value):
    if value.tzinfo is None:
        return value
    return value.astimezone(datetime.timezone.utc).replace(tzinfo=None)


def _format(text):
    """-> names of the parts, and what matches a whole text."""
    names, source = [], ""
    for piece in _PIECE.finditer(text):
        letter = piece.group(1)
        if letter is None:
            source += r"\s+" if piece.group().isspace() else re.escape(piece.group())
        else:
            source += _PIECES[letter]
            if letter != "%":
                names.append(letter)
    return names, re.compile(source).fullmatch


def _time(part):
    year = int(part.get("Y", 1900))
    if "y" in part:
        year = int(part["y"]) + (2000 if int(part["y"]) < 69 else 1900)
    month = int(part.get("m", 1))
    if "B" in part:
        month = _MONTHS.index(part["B"].lower()) + 1
    elif "b" in part:
        month = [name[:3] for name in _MONTHS].index(part["b"].lower()) + 1
    hour = int(part.get("H", 0))
    if "I" in part:
        if not 1 <= int(part["I"]) <= 12:
            raise ValueError
        hour = int(part["I"]) % 12 + (12 if part.get("p", "").lower() == "pm" else 0)
    time = datetime.datetime(year, month, int(part.get("d", 1)), hour, int(part.get("M", 0)), int(part.get("S", 0)),
                             int(part.get("f", "").ljust(6, "0")))
    zone = part.get("z", "Z")
    if zone == "Z":
        return time
    offset = datetime.timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return time - offset if zone[0] == "+" else time + offset
