"""
What `run()` returned: recognised without importing anything the script did not import itself, and cut into chunks that
a format can encode. Allowed: list, tuple, generator, numpy array, pandas DataFrame and Series, pyarrow Table and
RecordBatch, polars DataFrame.
"""
import sys
from types import GeneratorType

from .facts import type_name

_CHUNK_ELEMENTS = 512
_CHUNK_ROWS = 20000


class InvalidReturn(Exception):
    """`run()` returned something else; `returned` names its type."""

    def __init__(self, returned):
        super().__init__(returned)
        self.returned = returned


class RunRaised(Exception):
    """The user's code raised while its result was taken in (`cause`): a generator, a strange `__len__`."""

    def __init__(self, cause):
        super().__init__()
        self.cause = cause


class Elements:
    """A sequence of results, one row each. `cut` gives a list of them."""

    columns = None
    complete = True

    def __init__(self, length, cut):
        self.length = length
        self._cut = cut

    def chunks(self):
        """Yields (method of the format, chunk, rows of the chunk)."""
        for start in range(0, self.length, _CHUNK_ELEMENTS):
            chunk = self._cut(start, start + _CHUNK_ELEMENTS)
            yield "elements", chunk, len(chunk)


class Generated:
    """A generator: its length is that of what it gave so far; `complete` once it has ended."""

    columns = None
    complete = False

    def __init__(self, generator):
        self._generator = generator
        self.length = 0

    def chunks(self):
        while not self.complete:
            chunk = []
            try:
                for element in self._generator:
                    chunk.append(element)
                    if len(chunk) >= _CHUNK_ELEMENTS:
                        break
                else:
                    self.complete = True
            except BaseException as error:
                raise RunRaised(error) from error
            self.length += len(chunk)
            if chunk:
                yield "elements", chunk, len(chunk)


class Frame:
    """A pandas DataFrame."""

    complete = True

    def __init__(self, frame):
        self._frame = frame
        self.length = len(frame)
        self.columns = [str(name) for name in frame.columns]

    def chunks(self):
        for start in range(0, max(self.length, 1), _CHUNK_ROWS):
            chunk = self._frame.iloc[start:start + _CHUNK_ROWS]
            yield "frame", chunk, len(chunk)


class Rows:
    """Tables of other libraries. `cut` gives slices of one, (start, length)."""

    complete = True

    def __init__(self, table, columns, native_columns, values, cut):
        self.length = len(table)
        self.columns = [str(name) for name in columns]
        self._table = table
        self._native_columns = native_columns
        self._values = values
        self._cut = cut

    def chunks(self):
        for start in range(0, max(self.length, 1), _CHUNK_ROWS):
            rows = TableRows(self, self._cut(self._table, start, min(_CHUNK_ROWS, self.length - start)))
            yield "rows", rows, rows.length


class TableRows:
    """Some rows of a table of another library."""

    def __init__(self, whole, native):
        self._whole = whole
        self.names = whole.columns
        self.native = native
        self.length = len(native)

    def native_columns(self):
        return self._whole._native_columns(self.native)

    def rows(self):
        """Tuples of plain values."""
        columns = [self._whole._values(column) for column in self.native_columns()]
        return list(zip(*columns)) if columns else [()] * self.length

    def single(self, row):
        return TableRows(self._whole, self._whole._cut(self.native, row, 1))


def recognise(result):
    """-> Elements, Generated, Frame or Rows. Raises InvalidReturn; RunRaised where the result's own methods raise."""
    kind = type(result)
    if kind is list:
        return Elements(len(result), lambda start, end: result[start:end])
    try:
        found = _recognise_other(result)
    except InvalidReturn:
        raise
    except BaseException as error:
        raise RunRaised(error) from error
    if found is None:
        raise InvalidReturn(type_name(kind))
    return found


def _recognise_other(result):
    if isinstance(result, (list, tuple)):
        whole = list(result)
        return Elements(len(whole), lambda start, end: whole[start:end])
    if isinstance(result, GeneratorType):
        return Generated(result)
    if _is_a(result, "numpy", "ndarray"):
        if result.ndim == 0:
            raise InvalidReturn("numpy.ndarray without dimensions")
        return Elements(len(result), lambda start, end: array_values(result[start:end]))
    if _is_a(result, "pandas", "DataFrame"):
        return Frame(result)
    if _is_a(result, "pandas", "Series"):
        values = array_values(result.to_numpy()) if _is_short_float(result.dtype) else result.tolist()
        return Elements(len(values), lambda start, end: values[start:end])
    if _is_a(result, "pyarrow", "Table") or _is_a(result, "pyarrow", "RecordBatch"):
        return Rows(result, result.schema.names, lambda table: table.columns, lambda column: column.to_pylist(), _sliced)
    if _is_a(result, "polars", "DataFrame"):
        return Rows(result, result.columns, lambda frame: frame.get_columns(), lambda column: column.to_list(), _sliced)
    return None


def _is_a(value, module, name):
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def _sliced(table, start, length):
    return table.slice(start, length)


def _is_short_float(dtype):
    return getattr(dtype, "kind", "") == "f" and getattr(dtype, "itemsize", 8) < 8


def array_values(array):
    """
    The elements of a numpy array: its scalars, or for several dimensions nested lists of Python values, which have no
    line breaks and no "..." in their text. Short floats keep their short digits (0.1, not 0.10000000149).
    """
    if array.ndim == 1 or array.dtype.kind == "V":
        return list(array)
    if _is_short_float(array.dtype):
        return [_short_floats(row) for row in array]
    return array.tolist()


def _short_floats(array):
    if array.ndim == 0:
        return float(str(array[()]))
    return [_short_floats(part) for part in array]
