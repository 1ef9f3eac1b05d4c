"""
Delimited text of pandas frames that hold only plain numbers, truth values and texts: what `DataFrame.to_csv` writes for
them, in half of its time. Anything else is left to pandas.
"""
import sys


def plain_lines(frame, separator, special):
    """
    Lines of the rows, without header and index; None where pandas is to write them. `special`: pattern of what makes it
    quote a text.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None or not frame.shape[1]:
        return None
    places, columns = [], []
    for at in range(frame.shape[1]):
        series = frame.iloc[:, at]
        if not isinstance(series.dtype, numpy.dtype):
            return None
        place, texts = _column(series.to_numpy(), special)
        if place is None:
            return None
        places.append(place)
        columns.append(texts)
    if len(columns) == 1 and places[0] == _TEXT and "" in columns[0]:
        return None  # an empty line is no row: it is quoted
    line = separator.join(places) + "\n"
    return "".join(map(line.__mod__, zip(*columns)))


_WHOLE, _NUMBER, _TEXT = "%d", "%r", "%s"
_OTHER = (None, None)


def _column(values, special):
    """-> (how each of them is written, list of them); None in the first place where it isn't plain."""
    kind = values.dtype.kind
    if kind in "iu":
        return _WHOLE, values.tolist()
    if kind == "f" and values.dtype.itemsize == 8:
        plain = values.tolist()
        if (values != values).any():
            return _TEXT, ["" if value != value else repr(value) for value in plain]
        return _NUMBER, plain
    if kind == "b":
        return _TEXT, values.tolist()
    if kind == "O":
        texts = values.tolist()
        if set(map(type, texts)) <= {str} and not special.search("".join(texts)):
            return _TEXT, texts
    return _OTHER
