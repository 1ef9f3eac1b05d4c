"""
Open Parquet and Arrow IPC files: `rows`, `names` of the columns, `read(ranges, names)`, where `ranges` are pairs of a
row's number and that of the one behind the last, ascending.
"""
import bisect
import importlib
import os
import warnings

#: A part of a file that was read for some of its rows is kept for the next mini-batch up to this size.
_KEPT_BYTES_MAX = 256 * 1024 * 1024
#: Rows between wanted ones that cost polars less than another look at the file, and rows it reads at once for that.
_GAP_ROWS = 65536
_WINDOW_ROWS = 1 << 20


class _Parts:
    """
    A file of parts (row groups, record batches) that can only be read whole. The last one is kept where rows of it are
    left: a mini-batch is often smaller, and the next one begins where it ended.
    """

    def __init__(self, arrow, names, counts):
        self._arrow = arrow
        self.names = names
        self._starts = [0]
        for count in counts:
            self._starts.append(self._starts[-1] + count)
        self.rows = self._starts[-1]
        self._kept = None, None

    def read(self, ranges, names):
        """-> pyarrow Table of plain columns, without the notes of whoever wrote the file."""
        tables = []
        for number, wanted in self._by_part(ranges):
            first, behind = self._starts[number], self._starts[number + 1]
            table = self._part(number, keep=wanted[-1][1] < behind or len(wanted) > 1)
            if len(wanted) == 1:
                (start, end), = wanted
                tables.append(table.slice(start - first, end - start))
            else:
                rows = [row for start, end in wanted for row in range(start - first, end - first)]
                tables.append(table.take(self._arrow.array(rows)))
        table = self._arrow.concat_tables(tables)
        return self._arrow.Table.from_arrays([self._plain(table.column(name)) for name in names], names)

    def _by_part(self, ranges):
        """-> pairs of a part's number and the ranges that lie in it."""
        found = []
        for start, end in ranges:
            number = bisect.bisect_right(self._starts, start) - 1
            while start < end:
                behind = min(end, self._starts[number + 1])
                if start < behind:
                    if not found or found[-1][0] != number:
                        found.append((number, []))
                    found[-1][1].append((start, behind))
                    start = behind
                number += 1
        return found

    def _part(self, number, keep):
        known, table = self._kept
        if known != number:
            self._kept = None, None  # not two of them in memory
            table = self._load(number)
        self._kept = (number, table) if keep and table.nbytes <= _KEPT_BYTES_MAX else (None, None)
        return table

    def placed(self, table, columns):
        """The table with these columns, (name, type), in their order: cast where need be, nulls where it lacks one."""
        arrow = self._arrow
        made = []
        for name, kind in columns:
            kind = getattr(arrow, kind)() if isinstance(kind, str) else kind
            if name not in self.names:
                made.append(arrow.nulls(table.num_rows, kind))
            else:
                column = table.column(name)
                made.append(column if column.type == kind else column.cast(kind))
        return arrow.Table.from_arrays(made, [name for name, _ in columns])

    def _plain(self, column):
        """Categories differ from slice to slice: their values don't."""
        if self._arrow.types.is_dictionary(column.type):
            return column.cast(column.type.value_type)
        return column


class ParquetParts(_Parts):
    def __init__(self, libraries, path):
        arrow = libraries["pyarrow"]
        # not mapped: where a mapped file is cut short, the process that looks there is killed
        self._file = importlib.import_module("pyarrow.parquet").ParquetFile(arrow.OSFile(os.fsencode(path)))
        meta = self._file.metadata
        counts = [meta.row_group(number).num_rows for number in range(meta.num_row_groups)]
        super().__init__(arrow, self._file.schema_arrow.names, counts)

    def type_of(self, name):
        kind = self._file.schema_arrow.field(name).type
        return kind.value_type if self._arrow.types.is_dictionary(kind) else kind

    def _load(self, number):
        # one thread: as many workers as there are cores read at the same time
        return self._file.read_row_group(number, use_threads=False)


class ArrowParts(_Parts):
    def __init__(self, libraries, path):
        arrow = libraries["pyarrow"]
        ipc = importlib.import_module("pyarrow.ipc")
        self._file = ipc.open_file(arrow.OSFile(os.fsencode(path)), options=ipc.IpcReadOptions(use_threads=False))
        names = self._file.schema.names
        # the footer doesn't say how many rows a batch has; without its other columns there is little to read
        few = ipc.IpcReadOptions(use_threads=False, included_fields=[0] if names else None)
        counter = ipc.open_file(arrow.OSFile(os.fsencode(path)), options=few)
        super().__init__(arrow, names, [counter.get_batch(at).num_rows for at in range(counter.num_record_batches)])

    def _load(self, number):
        return self._arrow.Table.from_batches([self._file.get_batch(number)])


class PolarsParts:
    """A file that polars reads; it finds out itself what it needs of it."""

    def __init__(self, libraries, path, scan, **options):
        self._polars = libraries["polars"]
        rows = getattr(self._polars, scan)(path, **options)
        types = rows.collect_schema()
        self.names = list(types)
        self.rows = rows.select(self._polars.len()).collect().item()
        self._scan = rows.with_columns([
            self._polars.col(name).cast(self._polars.Utf8) for name, kind in types.items()
            if str(kind).startswith(("Categorical", "Enum"))])

    def read(self, ranges, names):
        """-> polars DataFrame of plain columns."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # merging the categories of parts costs something: no news for the script
            frames = [self._window(window).select(names) for window in _windows(ranges)]
            return frames[0] if len(frames) == 1 else self._polars.concat(frames)

    def _window(self, ranges):
        first, behind = ranges[0][0], ranges[-1][1]
        frame = self._scan.slice(first, behind - first).collect()
        if len(ranges) == 1:
            return frame
        return frame[[row for start, end in ranges for row in range(start - first, end - first)]]

    def type_of(self, name):
        return self._scan.select(name).collect_schema()[name]

    def placed(self, frame, columns):
        """As of the others."""
        polars = self._polars
        types = {"int64": polars.Int64, "float64": polars.Float64}
        for name, kind in columns:
            if name in self.names and frame[name].dtype in (polars.Int64, polars.UInt64) and str(kind) in ("float64", "Float64"):
                if (frame[name].cast(polars.Float64).cast(frame[name].dtype, strict=False) != frame[name]).any():
                    raise ValueError("column %r holds whole numbers that a float doesn't hold" % name)
        return frame.select([
            (polars.col(name) if name in self.names else polars.lit(None)).cast(
                types[kind] if isinstance(kind, str) else kind).alias(name)
            for name, kind in columns])


def _windows(ranges):
    """Ranges that lie near each other, to be read at once with what is between them."""
    found = []
    for start, end in ranges:
        if found and start - found[-1][-1][1] <= _GAP_ROWS and end - found[-1][0][0] <= _WINDOW_ROWS:
            found[-1].append((start, end))
        else:
            found.append([(start, end)])
    return found


def polars_parquet(libraries, path):
    return PolarsParts(libraries, path, "scan_parquet", glob=False, hive_partitioning=False)


def polars_arrow(libraries, path):
    return PolarsParts(libraries, path, "scan_ipc", hive_partitioning=False)
