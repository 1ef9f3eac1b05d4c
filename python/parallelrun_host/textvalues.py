"""Fields of CSV text as Python values, by the type of their column: as pandas has them, None where it has NaN."""
import re

#: Texts that stand for "no value", as where the types were decided; said here because pandas before 2.0 lacks "None".
MISSING = ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
           "NA", "NULL", "NaN", "None", "n/a", "nan", "null")
TRUTH = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}

_MISSING = frozenset(MISSING)
_NAN = float("nan")
_SPACE = r"[ \t\n\v\f\r]*"
_whole = re.compile(_SPACE + r"[+-]?[0-9]+" + _SPACE).fullmatch
_digits = re.compile(r"[-+0-9\n]*").fullmatch
_marks = re.compile(r"[-+.eE0-9\n]*").fullmatch
_number = re.compile(
    _SPACE + r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?" + _SPACE +
    r"|[+-]?[iI][nN][fF](?:[iI][nN][iI][tT][yY])?"
).fullmatch


def _int64(texts):
    return _integers(texts, -2 ** 63, 2 ** 63 - 1)


def _uint64(texts):
    return _integers(texts, 0, 2 ** 64 - 1)


def _integers(texts, least, most):
    values = _all(int, texts, _digits) or [int(text) if _whole(text) else _rounded(text) for text in texts]
    if values and not (least <= min(values) and max(values) <= most):
        raise ValueError("out of range")
    return values


def _all(kind, texts, are_usual):
    """The short way where all texts are of plain characters: Python takes more for numbers than pandas does."""
    if are_usual("\n".join(texts)):
        try:
            return list(map(kind, texts))
        except ValueError:
            pass  # an empty one, or "1-2"
    return None


def _rounded(text):
    """`1.0` and `1e3` are whole numbers too."""
    value = float(text) if _number(text) else _NAN
    return int(value) if value.is_integer() else _refuse(text)


def _float64(texts):
    return _all(float, texts, _marks) or [
        float(text) if _number(text) else None if text in _MISSING else _refuse(text) for text in texts]


def whole_of(text):
    """Raises ValueError where the text is no whole number, `1.0` and `1e3` among them."""
    return int(text) if _whole(text) else _rounded(text)


def number_of(text):
    return float(text) if _number(text) else _refuse(text)


def _bool(texts):
    return [TRUTH[text] if text in TRUTH else _refuse(text) for text in texts]


def _nullable_bool(texts):
    return [TRUTH[text] if text in TRUTH else None if text in _MISSING else _refuse(text) for text in texts]


def _string(texts):
    return [None if text in _MISSING else text for text in texts]


def own_type(text):
    """A field of a column with mixed types: whole numbers and numbers as such, whatever else as the text it is."""
    try:
        return int(text) if _whole(text) else float(text) if _number(text) else text
    except ValueError:  # more digits than Python converts
        return text


def _text(texts):
    """Empty ones are texts too."""
    return [None if text in _MISSING and text else text for text in texts]


def _refuse(text):
    raise ValueError(text)


#: Column type -> texts of a column to its values. They raise ValueError where one doesn't fit.
CONVERTERS = {
    "int64": _int64,
    "uint64": _uint64,
    "float64": _float64,
    "bool": _bool,
    "nullable-bool": _nullable_bool,
    "string": _string,
    "text": _text,
}
