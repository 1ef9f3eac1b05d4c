"""The bytes of a slice, and what is said where they can't be had. Paths that messages name are those of the input."""
import errno as errno_names
import os

from .convert import Misfit
from .minibatch import InputError

_MARK = b"\xef\xbb\xbf"


def path_of(source):
    """The file to read: the input itself, or what was made of it (unpacked, regrouped)."""
    return source.get("data", source["file"])


def where(source):
    return "rows %d to %d" % (source["firstRow"], source["firstRow"] + source["rows"] - 1)


def reason(what, source, error):
    """What could not be done with the rows of a source, and why not."""
    return "%s %s: %s: %s" % (what, where(source), type(error).__name__, str(error)[:500].strip())


def handed_over(source, first, make, *arguments):
    """
    What `make` makes of the rows from `first` on, which could be read. Raises InputError where a library refuses to, or a
    value can't be converted.
    """
    try:
        return make(*arguments)
    except Misfit as error:
        raise row_error(source, first + error.row, str(error)) from None
    except BaseException as error:
        if not is_failure(error):
            raise
        raise InputError(source["file"], reason("there is no such table of", source, error)) from error


def is_failure(error):
    """Also what a library in Rust raises for a defect of its own, which is no Exception."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def changed(source, what):
    return InputError(source["file"], what + ": the file was changed")


def row_error(source, row, what, line=None):
    """An InputError about one row, counted from 0 within the source; `line`: of the file, where that is known."""
    place = "" if line is None else " (line %d)" % line
    return InputError(source["file"], "row %d%s: %s" % (source["firstRow"] + row, place, what), item=row)


def line_at(source, offset):
    """Line, from 1, of a byte of the file: read from its start, since nobody counts lines otherwise. None: it is gone."""
    line, after_cr = 1, False
    try:
        with open(path_of(source), "rb") as file:
            while offset > 0:
                piece = file.read(min(offset, 1024 * 1024))
                if not piece:
                    break
                offset -= len(piece)
                line += piece.count(b"\n") + piece.count(b"\r") - piece.count(b"\r\n")
                line -= after_cr and piece[:1] == b"\n"
                after_cr = piece[-1:] == b"\r"
    except OSError:
        return None
    return line


def system_error(source, error):
    name = errno_names.errorcode.get(error.errno) if error.errno is not None else None
    text = error.strerror or str(error)
    if path_of(source) != source["file"]:
        text += " (%s, which was made of it)" % path_of(source)
    return InputError(source["file"], text, name)


def read_slice(source):
    """Bytes `start` to `end` of the file. Raises InputError where they are not all there or start within a row."""
    start, end = source["start"], source["end"]
    try:
        fd = os.open(path_of(source), os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise system_error(source, error) from error
    try:
        if start > 0 and os.pread(fd, 1, start - 1) not in (b"\n", b"\r") and not _follows_mark(fd, start):
            raise changed(source, "byte %d is not the start of a row any more" % start)
        pieces = []
        at = start
        while at < end:
            piece = os.pread(fd, min(end - at, 64 * 1024 * 1024), at)
            if not piece:
                raise changed(source, "it ends at byte %d, %d were there when the mini-batches were made" % (at, end))
            pieces.append(piece)
            at += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    except OSError as error:
        raise system_error(source, error) from error
    finally:
        os.close(fd)


def _follows_mark(fd, start):
    """A table without header may start behind a byte order mark."""
    return start == len(_MARK) and os.pread(fd, len(_MARK), 0) == _MARK


def check_count(source, rows):
    if rows != source["rows"]:
        raise changed(source, "bytes %d to %d hold %d rows, but %d were counted when the mini-batches were made" % (
            source["start"], source["end"], rows, source["rows"]))


_KINDS = {
    "int64": "whole numbers of 64 bits",
    "uint64": "whole numbers of 64 bits from 0 on",
    "float64": "numbers",
    "bool": "True or False",
    "nullable-bool": "True, False or nothing",
    "string": "texts",
}


def misfit(source, row, name, kind, value):
    """An InputError about a value that is not of its column's type."""
    text = repr(value)
    return row_error(source, row, "column %r holds %s where only %s were found before: the file was changed, or its "
                                  "types vary" % (name, text if len(text) <= 80 else text[:77] + "...", _KINDS[kind]))


def converted(source, first, values, name, kind, convert):
    """
    `convert(values)`, the values of a column from row `first` of the source on.
    Raises InputError about the first one that alone raises too.
    """
    try:
        return convert(values)
    except (ValueError, OverflowError):
        for row, value in enumerate(values, first):
            try:
                convert([value])
            except (ValueError, OverflowError):
                raise misfit(source, row, name, kind, value) from None
        raise
