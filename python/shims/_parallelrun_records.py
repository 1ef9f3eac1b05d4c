"""
What scripts record, kept with the run: a line of JSON for each fact in `records/<ip>/Process-<n>.jsonl`, written at once
and by this process alone. A fact that can't be written is lost, it never fails a mini-batch.
"""
import json
import os
import sys
import time
from threading import get_ident

from _parallelrun_bounds import FILE_BYTES_MAX, FILES_MAX, RECORD_BYTES_MAX, Bound, tell
from _parallelrun_shim import run_folder

INTEGER_MAX = 2 ** 53 - 1
_VALUE_CHARACTERS_MAX = 1_000_000
_DEPTH_MAX = 20
# within lists, where libraries that fake the time by replacing module attributes don't find them
_clock, _calendar, _text = [time.time], [time.gmtime], [time.strftime]
_SIMPLE = (str, bool, type(None))


def fact(kind, run_id, name=None, value=None, **more):
    """A fact of now. Members that are None are left out, but for the value of what has a name."""
    now = _clock[0]()
    seconds = int(now)
    stamp = "%s.%06dZ" % (_text[0]("%Y-%m-%dT%H:%M:%S", _calendar[0](seconds)), int((now - seconds) * 1e6))
    made = {"at": stamp, "kind": kind, "run": run_id}
    if name is not None:
        made["name"] = str(name)[:1000]
        made["value"] = plain(value)
    for key, item in more.items():
        if item is not None:
            made[key] = plain(item)
    current = _mini_batch()
    if current is not None:
        made["miniBatch"], made["try"] = current
    return made


def _mini_batch():
    """(index, try) of the mini-batch that this is about, None where that isn't known."""
    host = sys.modules.get("parallelrun_host.records")
    thread = getattr(host, "current_thread", None)
    return getattr(host, "current", None) if thread in (None, get_ident()) else None


def add(made):
    """Keeps a fact with the run. Never raises for what it can't write."""
    path = os.environ.get("PARALLELRUN_RECORDS")
    if path:
        line = _line(made)
        if not _too_much(path, made, line):
            _file(path).append(line)
    else:
        offline.append(made)
        _tell(made)


#: Facts of a script that runs outside of ParallelRun.
offline = []
_SERIES = ("metric", "row", "list", "table")
#: By what they are of: bounds, and whether it was told that one is reached.
_bounds, _dropped = {}, set()


def _too_much(path, made, line):
    bound = _bounds.get(path)
    if bound is None:
        folder = run_folder()
        bound = _bounds[path] = Bound("records", [os.path.join(folder, "records")] if folder else [], RECORD_BYTES_MAX)
    if bound.takes(len(line), 1.0 if made["kind"] in _SERIES else 1.1):
        return False
    if path not in _dropped:
        _dropped.add(path)
        tell("what this run has recorded is %s: %s and what else comes is dropped, the run goes on" % (
            bound.why, "%s %s" % (made["kind"], made.get("name", ""))))
        _file(path).append(_line(fact("dropped", made["run"], "records", bound.why)))
    return True


def keeps_file(name, run_id, size):
    """Whether one more file may be kept with the run; says so where not."""
    folder = run_folder()
    bound = _bounds.get(folder)
    if bound is None:
        below = [os.path.join(folder, one) for one in ("files", "children", os.path.join("parent", "files"))]
        bound = _bounds[folder] = Bound("files", below, FILE_BYTES_MAX, FILES_MAX)
    if bound.takes(size):
        return True
    if folder not in _dropped:
        _dropped.add(folder)
        tell("the files that this run has kept are %s: %s and what else comes is dropped, the run goes on" % (bound.why, name))
        add(fact("dropped", run_id, "files", bound.why))
    return False


def facts(run_id):
    """Facts of one run, those of all its processes, in the order of their time."""
    path = os.environ.get("PARALLELRUN_RECORDS")
    if not path:
        return [made for made in offline if made["run"] == run_id]
    found = []
    folder = os.path.dirname(os.path.dirname(path))
    for below, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".jsonl"):
                found.extend(_read(os.path.join(below, name), run_id))
    return sorted(found, key=lambda made: str(made.get("at")))


def _read(path, run_id):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    made = json.loads(line)
                except ValueError:
                    continue  # torn by a full disk
                if isinstance(made, dict) and made.get("run") == run_id:
                    yield made
    except OSError:
        return


def plain(value, depth=0):
    """A value that JSON can hold everywhere: NaN, infinities and integers beyond 2^53 become texts."""
    kind = type(value)
    if kind in _SIMPLE:
        return value
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value) if -INTEGER_MAX <= value <= INTEGER_MAX else str(value)
    if isinstance(value, float):
        number = float(value)
        return number if number - number == 0 else str(number)
    if depth >= _DEPTH_MAX:
        return _words(value)
    if isinstance(value, dict):
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, depth + 1) for item in value]
    try:
        return plain(value.tolist(), depth + 1)  # numpy arrays and scalars, pandas Series
    except Exception:
        return _words(value)


def _words(value):
    try:
        return str(value)
    except Exception:
        return "<%s>" % type(value).__name__


def _line(made):
    text = json.dumps(made)
    if len(text) > _VALUE_CHARACTERS_MAX:
        made = dict(made, value=_words(made.get("value"))[:10000] + " ... (too large to be kept)")
        text = json.dumps(made)
    return text.encode("ascii") + b"\n"


class _File:
    """No lock: one write each, at the end of the file, and a lock that is held while a process forks is held for ever."""

    def __init__(self, path):
        self.path = path
        self._pid = None
        self._fd = None
        self._identity = None
        self._torn = False
        self._told = False

    def append(self, line):
        try:
            if not self._is_open():
                self._open()
            data = b"\n" + line if self._torn else line
            # a full disk may take a part of it: the rest of the line is given up, the next one begins anew
            self._torn = os.write(self._fd, data) < len(data)
        except OSError as error:
            self._tell(error)

    def _is_open(self):
        """A script may close every descriptor, and its next file then has the number of ours."""
        if self._fd is None or self._pid != os.getpid():
            return False
        try:
            found = os.fstat(self._fd)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def _open(self):
        path = self.path
        host = sys.modules.get("parallelrun_host.records")
        if getattr(host, "pid", None) != os.getpid():
            path = "%s.%d.jsonl" % (os.path.splitext(path)[0], os.getpid())  # of a process that the script started
        os.makedirs(os.path.dirname(path), exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o644)
        found = os.fstat(fd)
        # left by a process before this one, on a full disk or killed in the middle
        self._torn = found.st_size > 0 and os.pread(fd, 1, found.st_size - 1) != b"\n"
        self._fd, self._pid, self._identity = fd, os.getpid(), (found.st_dev, found.st_ino)

    def _tell(self, error):
        if self._told:
            return
        self._told = True
        try:
            sys.stderr.write("PR2907 what Run records can't be kept, the run goes on without it: %s\n" % error)
        except Exception:
            pass


_files = {}


def _file(path):
    file = _files.get(path)
    if file is None:
        file = _files[path] = _File(path)
    return file


def _tell(made):
    """Outside of a run: what is recorded is printed."""
    words = {"metric": "metric", "row": "row of", "list": "list", "table": "table"}.get(made["kind"], made["kind"])
    value = made.get("value", made.get("state"))
    text = "" if value is None else " = %s" % (value if isinstance(value, str) else json.dumps(value))
    print("[%s] %s %s%s" % (made["run"], words, made.get("name") or "", text[:2000]))


# -- files --------------------------------------------------------------------------------------------------------


def plain_name(name):
    """Parts of the name of a file that is kept with the run. Raises ValueError for one that leads elsewhere."""
    text = os.fspath(name) if hasattr(name, "__fspath__") else str(name)
    parts = [part for part in text.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts or text.startswith(("/", "\\")) or "\0" in text or not parts:
        raise ValueError("PR2908 %r is no name for a file of the run: it must be a relative path without '..'" % (name,))
    return parts


def files_folder(run_id):
    """Where the files of a run or of one of its children are; of others that it is told of, its pipeline, beside them."""
    folder = run_folder()
    if folder is None:
        return None
    if run_id == os.environ.get("AZUREML_RUN_ID"):
        return os.path.join(folder, "files")
    if run_id == os.environ.get("AZUREML_ROOT_RUN_ID"):
        return os.path.join(folder, "parent", "files")
    return os.path.join(folder, "children", run_id, "files")


def keep(source, target):
    """Copies a file or a stream to `target`, which is there as a whole or not at all; the last one wins. -> its size"""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    unfinished = os.path.join(os.path.dirname(target), ".%s.%d.%s.tmp" % (
        os.path.basename(target)[:150], os.getpid(), os.urandom(4).hex()))
    try:
        with open(unfinished, "xb") as file:
            _copy(source, file)
            size = file.tell()
        os.replace(unfinished, target)
        return size
    except BaseException:
        if os.path.lexists(unfinished):
            os.unlink(unfinished)
        raise


def _copy(source, file):
    if not hasattr(source, "read"):
        with open(source, "rb") as opened:
            return _copy(opened, file)
    while True:
        chunk = source.read(1 << 20)
        if not chunk:
            return None
        file.write(chunk.encode("utf-8") if isinstance(chunk, str) else chunk)
