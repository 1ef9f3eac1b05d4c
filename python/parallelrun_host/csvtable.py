"""
CSV: a byte range of whole rows becomes rows with the columns and types of the whole input. pandas' C parser reads them
where there is pandas; rows as dicts, and tables where there is none, are read by the standard library alone.
"""
import io
import json
import re

from .csvtext import Dialect, EndlessRow
from .minibatch import InputError
from .slices import check_count, converted, handed_over, line_at, misfit, read_slice, reason, row_error, where
from .textvalues import CONVERTERS, MISSING, TRUTH, own_type

_DTYPES = {
    "int64": "int64",
    "uint64": "uint64",
    "float64": "float64",
    "bool": "bool",
    "nullable-bool": object,
    "string": object,
    "text": object,
}
_QUOTE_NONE = 3  # csv.QUOTE_NONE
_BEGINS_WITH_MINUS = re.compile(rb"(?:\A|[^-\w.])-[0-9]")
_INT64_MAX = 2 ** 63 - 1


class CsvFrames:
    """Rows of one CSV table, read by pandas. `convert(frame)` makes of that what the script gets."""

    def __init__(self, table, pandas, convert):
        self._pandas = pandas
        self._convert = convert
        self._dialect = Dialect(table)
        self._columns = [(column["name"], column["type"]) for column in table["schema"]["columns"]]
        self._mixed = frozenset(table.get("mixed", ()))
        self._strange = _strange_to_pandas(self._dialect.comment)
        self._layouts = {}

    def read(self, source):
        """All rows of a source. Raises InputError."""
        return handed_over(source, 0, self._convert, self._frame(source))

    def _layout(self, source):
        places = tuple(source.get("fields", ()))
        if places not in self._layouts:
            self._layouts[places] = _Layout(self._columns, places, self._dialect)
        return self._layouts[places]

    def read_part(self, source, start, end):
        """
        Only the rows `start` to `end` of one source: as if they were a source of their own. A row elsewhere in it that
        cannot be read doesn't keep them from being read. Raises InputError.
        """
        try:
            frame = self._frame(source)
        except InputError:
            smaller = self._narrowed(source, start, end)
            if smaller is None:
                raise
            return self._read_narrowed(smaller, start)
        return handed_over(source, start, self._convert, frame.iloc[start:end].reset_index(drop=True))

    def _read_narrowed(self, source, first):
        try:
            return self.read(source)
        except InputError as error:
            if error.item is not None:
                error.item += first
            raise

    def _frame(self, source):
        """A DataFrame with RangeIndex from 0."""
        original = data = read_slice(source)
        layout = self._layout(source)
        try:
            if b"\r" in data and self._strange.search(data):
                data = _with_line_feeds(data, self._dialect)
            frame = self._parsed(data, layout)
            if any(frame[name].dtype.kind not in "iu" for name in layout.whole):
                # in pieces, pandas makes numbers with a fraction of whole ones of which a piece holds too large ones
                frame = self._parsed(data, layout, low_memory=False)
        except Exception as error:
            raise (_too_long(original, source, self._dialect, layout.width) or
                   InputError(source["file"], reason("pandas cannot read", source, error))) from error
        if not isinstance(frame.index, self._pandas.RangeIndex):  # pandas makes an index of what is too much
            raise _too_long(original, source, self._dialect, layout.width) or InputError(
                source["file"], "%s: the first one has more fields than the table has columns" % where(source))
        check_count(source, len(frame))
        for name, kind in layout.columns:
            if kind == "nullable-bool":
                frame[name] = _truth_column(frame[name], source)
            elif name in self._mixed:
                frame[name] = self._pandas.Series(_own_types(frame[name]), dtype=object, index=frame.index)
            elif kind in ("int64", "uint64"):
                self._check_whole(frame[name], kind, data, source, layout)
        return self._placed(frame, layout) if layout.is_other else frame

    def _placed(self, frame, layout):
        """The columns of all files in their order; those that this one lacks have no values."""
        frame = frame.reindex(columns=[name for name, _ in self._columns])
        here = {name for name, _ in layout.columns}
        for name, kind in self._columns:
            if name not in here:
                frame[name] = frame[name].astype(_DTYPES[kind])
        return frame

    def _parsed(self, data, layout, **options):
        return self._pandas.read_csv(io.BytesIO(layout.header + data), **dict(layout.options, **options))

    def _check_whole(self, column, kind, data, source, layout):
        """pandas makes another type of what is beyond the one asked for, and a huge number of what is below 0."""
        beyond = column > _INT64_MAX
        if kind == "int64" and beyond.any():
            row = int(beyond.argmax())
            raise misfit(source, row, column.name, kind, int(column[row]))
        if kind == "uint64" and _BEGINS_WITH_MINUS.search(data) and beyond.any():
            texts = self._parsed(data, layout, usecols=[column.name], dtype=object)[column.name].str.strip()
            wrong = texts.str.startswith("-") & beyond
            if wrong.any():
                row = int(wrong.argmax())
                raise misfit(source, row, column.name, kind, texts[row])

    def _narrowed(self, source, start, end):
        """The source of rows `start` to `end` of one alone; None where it doesn't hold the rows that were counted."""
        data = read_slice(source)
        try:
            spans = list(self._dialect.spans(data))
        except EndlessRow:
            return None
        if len(spans) != source["rows"]:
            return None
        at = source["start"]
        return dict(source, start=at + spans[start][0], end=at + spans[end - 1][1], firstRow=source["firstRow"] + start,
                    rows=end - start)


class CsvRows:
    """
    Rows of one CSV table, read by the standard library. `convert(columns, rows)` makes of them what the script gets.
    """

    def __init__(self, table, convert):
        self._convert = convert
        self._dialect = Dialect(table)
        self._columns = [(column["name"], column["type"]) for column in table["schema"]["columns"]]
        self._mixed = frozenset(table.get("mixed", ()))

    def read(self, source):
        """All rows of a source. Raises InputError."""
        data = read_slice(source)
        rows = self._rows(data, source, 0)
        check_count(source, len(rows))
        return self._converted(rows, source, 0, data)

    def read_part(self, source, start, end):
        """The rows `start` to `end` of a source: what is in those around them doesn't matter. Raises InputError."""
        data = read_slice(source)
        try:
            spans = list(self._dialect.spans(data))
        except EndlessRow as error:
            raise row_error(source, error.row, str(error)) from error
        check_count(source, len(spans))
        piece = data[spans[start][0]:spans[end - 1][1]]
        smaller = dict(source, start=source["start"] + spans[start][0])
        return self._converted(self._rows(piece, source, start), smaller, start, piece)

    def _rows(self, data, source, first):
        """-> lists of the fields of each row. `first`: number of the first one in the source."""
        try:
            return list(self._dialect.rows(data.decode("utf-8")))
        except EndlessRow as error:
            raise row_error(source, first + error.row, str(error)) from error
        except UnicodeDecodeError as error:
            raise row_error(source, first + self._row_at(data, error.start), "it is not UTF-8 text") from error

    def _row_at(self, data, position):
        number = 0
        try:
            for _, end in self._dialect.spans(data):
                if position < end:
                    break
                number += 1
        except EndlessRow:
            pass  # it is the row without end
        return number

    def _converted(self, rows, source, first, data):
        places = source.get("fields") or range(len(self._columns))
        width = sum(place >= 0 for place in places)
        for fields in rows:
            if len(fields) > width:
                raise _too_long(data, source, self._dialect, width, first)
            fields.extend([""] * (width - len(fields)))
        texts = list(zip(*rows)) if rows else [()] * width
        nothing = ("",) * len(rows)
        columns = [converted(source, first, texts[place] if place >= 0 else nothing, name, kind,
                             _mixed if name in self._mixed else CONVERTERS[kind])
                   for place, (name, kind) in zip(places, self._columns)]
        return handed_over(source, first, self._convert, columns, len(rows))


def _own_types(values):
    return [own_type(value) if type(value) is str else value for value in values]


def _mixed(texts):
    return _own_types(CONVERTERS["string"](texts))


def _strange_to_pandas(comment):
    """
    What pandas' parser gets wrong in text with CR: where a blank line ends in one and the next starts with a space, it goes
    back too far and never ends; of a row behind a blank line or a comment it loses a delimiter at the start.
    """
    return re.compile(rb"\r[ \t]|(?:\A|[\r\n])\r(?!\n)" + (b"|" + re.escape(comment.encode("ascii")) if comment else b""))


class _Layout:
    """
    How pandas reads the rows of files that have the same columns. `columns`: name and type of each field of a row;
    `options`: arguments of read_csv; `header`: a line to put in front of each slice.
    """

    def __init__(self, columns, places, dialect):
        self.is_other = bool(places)
        own = sorted((place, column) for place, column in zip(places, columns) if place >= 0)
        self.columns = [column for _, column in own] if places else columns
        self.width = len(self.columns)
        self.whole = [name for name, kind in self.columns if kind in ("int64", "uint64")]
        self.options, self.header = _options(self.columns, dialect)


def _too_long(data, source, dialect, width, first=0):
    """An InputError about the first row that has more fields than its file has columns; None where there is none."""
    try:
        for row, (start, end) in enumerate(dialect.spans(data), first):
            text = data[start:end].decode("utf-8", "replace")
            fields = len(next(dialect.rows(text)))
            if fields > width:
                shown = text.rstrip("\r\n")
                return row_error(source, row, "it has %d fields, its file has %d columns: %s" % (
                    fields, width, json.dumps(shown if len(shown) <= 80 else shown[:80] + "...", ensure_ascii=False)),
                    line=None if "keys" in source else line_at(source, source["start"] + start))
    except EndlessRow:
        pass  # another fault
    return None


def _options(columns, dialect):
    """
    -> (arguments of read_csv, line to put in front of each slice). The line says how wide the table is: pandas before
    2.0 refuses a slice whose rows all end early.
    """
    taken = dialect.delimiter + dialect.quote + dialect.escape + dialect.comment
    filler = next(letter for letter in "cdefg" if letter not in taken)
    header = (dialect.delimiter.join([filler] * len(columns)) + "\n").encode("utf-8")
    options = {
        "sep": dialect.delimiter,
        "header": 0,
        "names": [name for name, _ in columns],
        "keep_default_na": False,
        "na_values": _missing(columns),
        "dtype": {name: _DTYPES[kind] for name, kind in columns},
        "encoding": "utf-8",
        "engine": "c",
    }
    if dialect.quote:
        options["quotechar"] = dialect.quote
    else:
        options["quoting"] = _QUOTE_NONE
    if dialect.escape:
        options["escapechar"] = dialect.escape
    if dialect.comment:
        options["comment"] = dialect.comment
    return options, header


def _missing(columns):
    """Texts that stand for "no value", by column where these differ."""
    if all(kind != "text" for _, kind in columns):
        return list(MISSING)
    return {name: [text for text in MISSING if text or kind != "text"] for name, kind in columns}


def _with_line_feeds(data, dialect):
    lines = []
    for start, end in dialect.spans(data):
        ended = data[end - 1:end] == b"\r" and end < len(data)  # of the last row it may be an escaped one
        lines.append(data[start:end - 1] + b"\n" if ended else data[start:end])
    return b"".join(lines)


def _truth_column(column, source):
    """Texts to True, False and NaN, as pandas reads a whole column of truth values with gaps."""
    mapped = column.map(TRUTH).astype(object)
    wrong = mapped.isna() & column.notna()
    if wrong.any():
        raise InputError(source["file"], "column %r holds %r where True or False was found before: the file was changed, "
                                         "or its types vary (%s)" % (column.name, column[wrong].iloc[0], where(source)))
    return mapped
