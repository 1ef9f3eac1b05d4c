"""Descriptors of our own, out of the way of scripts that close, redirect or write to low ones."""
import fcntl

# scripts that "close everything" or write to descriptors they believe theirs stay far below the first of these
_FLOORS = (900, 200, 100)


def private_copy(fd):
    """A high copy of `fd` that children started with exec don't inherit. Raises OSError where `fd` is not open."""
    error = None
    for floor in _FLOORS:
        try:
            return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, floor)
        except OSError as failed:  # EINVAL: above the limit of open files
            error = failed
    raise error
