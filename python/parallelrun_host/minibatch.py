"""What `run()` gets: a mini-batch made from its source, and the context beside it."""
import errno as errno_names
import os

from .frames import from_json

#: The system says with these that a file is gone or out of reach.
_UNREADABLE = frozenset(
    getattr(errno_names, name) for name in ("ENOENT", "EACCES", "EPERM", "EIO", "ESTALE", "ENXIO", "ENODEV")
)
# own reference: a script may replace it
_access = os.access


class MiniBatch(list):
    """Absolute paths of the files, as a list that also knows which mini-batch it is."""

    __slots__ = ("task_id", "minibatch_index")

    def __reduce_ex__(self, protocol):
        # a child process of the script has no module of ours to unpickle it with
        return (list, (self[:],))


class MarkedMiniBatch(MiniBatch):
    """The same list, which also lets the marker know of each item that the script takes off an iterator over it."""

    __slots__ = ("_marker",)

    def __init__(self, batch, marker):
        super().__init__(batch)
        self.task_id = self.minibatch_index = batch.minibatch_index
        self._marker = marker

    def __iter__(self):
        return self._marker.iterate(self)


class MiniBatchContext:
    """Second argument of `run(mini_batch, mini_batch_context)`."""

    def __init__(self, index, try_number, key_values):
        self.minibatch_index = index
        self.try_number = try_number
        self.partition_key_value = key_values
        self.dataset = None

    def __repr__(self):
        return "MiniBatchContext(minibatch_index=%d, try_number=%d)" % (self.minibatch_index, self.try_number)


class InputError(Exception):
    """
    The data of a mini-batch cannot be read. `reason` is a sentence without full stop, `errno` a name like ENOENT, `item`
    the position of the row at fault in the whole mini-batch, where it is known.
    """

    def __init__(self, path, reason, errno=None, item=None):
        super().__init__(reason)
        self.path = path
        self.reason = reason
        self.errno = errno
        self.item = item


class SourceError(Exception):
    """The agent sent a source that this host doesn't understand."""


def make_mini_batch(body, index, tables, part=None):
    """
    -> (mini-batch, number of its items). `part`: only the items `[from, to)` of the source, as if they were all.
    `tables` has a `read(source)` and a `read_part(source, from, to)` that give what the script gets.
    Raises InputError, SourceError.
    """
    try:
        source = from_json(body)
        kind = source["kind"]
        if kind == "files":
            root = source["root"].rstrip("/") + "/"
            names = source["files"]
            if part is not None:
                names = names[_slice_of(part, len(names))]
            batch = MiniBatch([root + name for name in names])
        elif kind == "rank" and part is None:
            batch = MiniBatch()
        elif kind == "rows":
            if part is None:
                frame = tables.read(source)
            else:
                rows = _slice_of(part, source["rows"])
                frame = tables.read_part(source, rows.start, rows.stop)
            return frame, len(frame)
        else:
            raise ValueError("unknown kind %r, or one without parts" % (kind,))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise SourceError("source of mini-batch %d: %r: %s" % (index, error, bytes(body[:200]))) from error
    batch.task_id = batch.minibatch_index = index
    return batch, len(batch)


def key_values(body, batch, tables):
    """Partition keys and their values: those of columns as the batch has them, others as texts. None: no value."""
    if body.find(b'"keys":') < 0:
        return {}
    source = from_json(body)
    keys = source.get("keys", ())
    if source["kind"] == "rows":
        return {name: tables.first_value(source, batch, name) for name, _ in keys}
    return dict(keys)


def position_of_file(error, body, part):
    """
    Position in its mini-batch of the file that an error of the operating system names, or one that is its cause. None
    where it names none of those that were handed out.
    """
    try:
        source = from_json(body)
        if source["kind"] == "files":
            if not isinstance(error, OSError):
                error = error.__cause__
            name = error.filename if isinstance(error, OSError) else None
            root = source["root"].rstrip("/") + "/"
            if type(name) is str and name.startswith(root):
                position = source["files"].index(name[len(root):])
                return position if part is None or part[0] <= position < part[1] else None
    except Exception:
        pass  # it is in no list; or the exception is a strange one
    return None


def unreadable_input(error, body, part):
    """
    An InputError where `run()` failed because a file that was handed out can't be read, now as then: the input is at
    fault, not the script. Else None.
    """
    try:
        if isinstance(error, OSError) and error.errno in _UNREADABLE:
            if position_of_file(error, body, part) is not None and not _access(error.filename, os.R_OK):
                reason = error.strerror or str(error)
                return InputError(error.filename, str(reason), errno_names.errorcode[error.errno])
    except Exception:
        pass  # the exception is a strange one
    return None


def _slice_of(part, count):
    start, end = part
    if not 0 <= start < end <= count:
        raise ValueError("part %r of %d items" % (part, count))
    return slice(start, end)
