"""What `run()` gets: a mini-batch made from its source, and the context beside it."""
from .frames import from_json


class MiniBatch(list):
    """Absolute paths of the files, as a list that also knows which mini-batch it is."""

    __slots__ = ("task_id", "minibatch_index")

    def __reduce_ex__(self, protocol):
        # a child process of the script has no module of ours to unpickle it with
        return (list, (list(self),))


class MiniBatchContext:
    """Second argument of `run(mini_batch, mini_batch_context)`."""

    def __init__(self, index, try_number):
        self.minibatch_index = index
        self.try_number = try_number
        self.partition_key_value = {}
        self.dataset = None

    def __repr__(self):
        return "MiniBatchContext(minibatch_index=%d, try_number=%d)" % (self.minibatch_index, self.try_number)


class InputError(Exception):
    """The data of a mini-batch cannot be read. `reason` is a sentence without full stop, `errno` a name like ENOENT."""

    def __init__(self, path, reason, errno=None):
        super().__init__(reason)
        self.path = path
        self.reason = reason
        self.errno = errno


class SourceError(Exception):
    """The agent sent a source that this host doesn't understand."""


def make_mini_batch(body, index, tables):
    """
    -> (mini-batch, number of its items). `tables` has a `read(source)` that gives a DataFrame.
    Raises InputError, SourceError.
    """
    try:
        source = from_json(body)
        kind = source["kind"]
        if kind == "files":
            root = source["root"].rstrip("/") + "/"
            batch = MiniBatch([root + name for name in source["files"]])
        elif kind == "rank":
            batch = MiniBatch()
        elif kind == "rows":
            frame = tables.read(source)
            return frame, len(frame)
        else:
            raise ValueError("unknown kind %r" % (kind,))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise SourceError("source of mini-batch %d: %r: %s" % (index, error, bytes(body[:200]))) from error
    batch.task_id = batch.minibatch_index = index
    return batch, len(batch)
