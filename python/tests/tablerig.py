"""What the tests of table formats share: sources, and what each hand-over gives in words that can be compared."""
import os
import pickle
import subprocess
import sys
import tempfile
import unittest

from parallelrun_host.tables import Tables

HAND_OVERS = ("pandas", "pyarrow", "polars", "list")


#: Python text after which libraries can't be found, as if they were not installed.
HIDE = """
import importlib.machinery
def _hide(libraries, find=importlib.machinery.PathFinder.find_spec):
    importlib.machinery.PathFinder.find_spec = staticmethod(
        lambda name, *more: None if name.partition(".")[0] in libraries else find(name, *more))
_hide(%r)
"""


def read_without(libraries, jobs):
    """
    Reads with an interpreter that has no such libraries. `jobs`: (tables of a hello, hand-over, list of (source, part or
    None)). -> for each job its batches: pandas' frames as they are, of others (types, values).
    """
    command = HIDE % (libraries,) + "from tests import tablerig; tablerig.serve()"
    done = subprocess.run([sys.executable, "-c", command], input=pickle.dumps(jobs), stdout=subprocess.PIPE, check=True,
                          cwd=os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return pickle.loads(done.stdout)


def serve():
    results = []
    for tables, hand_over, sources in pickle.load(sys.stdin.buffer):
        reader = Tables(tables, hand_over)
        batches = [reader.read(source) if part is None else reader.read_part(source, *part) for source, part in sources]
        results.append([batch if hand_over == "pandas" else (types_of(batch), values_of(batch)) for batch in batches])
    sys.stdout.buffer.write(pickle.dumps(results))


def table(schema, format="csv", **more):
    """`schema`: (name, type) pairs, or whole columns."""
    columns = [column if isinstance(column, dict) else dict(zip(("name", "type"), column)) for column in schema]
    if format == "csv":
        more = dict({"delimiter": ","}, **more)
    return dict({"format": format, "schema": {"columns": columns}}, **more)


def types_of(batch):
    """The types of the columns in the words of the library; of dicts, none."""
    if isinstance(batch, list):
        return None
    if hasattr(batch, "schema") and not callable(getattr(batch, "schema")) and hasattr(batch, "num_rows"):
        return [str(field.type) for field in batch.schema]
    return [str(kind) for kind in batch.dtypes]


def values_of(batch):
    """-> {name: values}; a missing value is None, whatever it is there."""
    if isinstance(batch, list):
        return {name: [row[name] for row in batch] for name in (batch[0] if batch else {})}
    if hasattr(batch, "num_rows"):
        return batch.to_pydict()
    if hasattr(batch, "get_columns"):
        return {column.name: column.to_list() for column in batch.get_columns()}
    return {name: [None if is_missing(value) else value for value in batch[name].tolist()] for name in batch.columns}


def is_missing(value):
    return value is None or (isinstance(value, float) and value != value) or type(value).__name__ == "NaTType"


class TableTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="parallelrun-host-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, data, name="a.data"):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def tables(self, *tables, hand_over="pandas"):
        return Tables(tables, hand_over)

    def source(self, path, start, end, rows, first=0, **more):
        return dict({"kind": "rows", "file": path, "start": start, "end": end, "firstRow": first, "rows": rows,
                     "table": 0}, **more)

    def slices(self, chooser, path, rows, at=0):
        """Sources of 1 to 10 rows each; `rows` are their bytes."""
        sources = []
        number = 0
        while number < len(rows):
            count = min(chooser.randint(1, 10), len(rows) - number)
            end = at + sum(map(len, rows[number:number + count]))
            sources.append(self.source(path, at, end, count, number))
            at, number = end, number + count
        return sources
