"""
Facts of an exception as the agent gets them (`ExceptionFacts`): type, message, traceback, frames. Must come out of any
exception at all: a raising `__str__`, a cyclic or endless chain, a hundred megabytes of text.
"""
import builtins
import os
import traceback

MESSAGE_BYTES_MAX = 8 * 1024
TRACEBACK_BYTES_MAX = 64 * 1024
_FRAME_TEXT_MAX = 400
_FRAMES_HEAD, _FRAMES_TAIL = 20, 60
_CHAIN_HEAD, _CHAIN_TAIL = 15, 15
_GROUP_WIDTH, _GROUP_DEPTH = 15, 10
_NOTES_MAX = 20
_HOST_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
_HOST_ENTRY = os.path.join(os.path.dirname(os.path.dirname(_HOST_FOLDER)), "host.py")
_Group = getattr(builtins, "BaseExceptionGroup", ())

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"


class CodeFolder:
    """Tells the user's own files from libraries."""

    def __init__(self, folder):
        names = {folder.rstrip("/"), os.path.realpath(folder)}
        self._prefixes = tuple(name + "/" for name in sorted(names))

    def locate(self, file):
        """-> (path, own): relative to the code folder where it lies below it."""
        for prefix in self._prefixes:
            if file.startswith(prefix):
                rest = file[len(prefix):]
                return (file, False) if "site-packages/" in rest else (rest, True)
        return (file, False)


def describe(error, code):
    """ExceptionFacts of `error`; never raises an Exception."""
    name = type_name(type(error))
    message = cut_end(text_of(error), MESSAGE_BYTES_MAX)
    try:
        frames = _frames(error, code)
        text = cut_middle(_format(error), TRACEBACK_BYTES_MAX)
    except Exception:
        # the script replaced `open` or parts of `traceback`: without lines of source it works without them
        frames = _bare_frames(error, code)
        lines = ['  File "%s", line %d, in %s\n' % (one["file"], one["line"], one["function"]) for one in frames]
        text = "Traceback (most recent call last):\n%s%s: %s\n" % ("".join(lines), name, message)
    return {"exceptionType": name, "message": message, "traceback": text, "frames": frames}


def plain_facts(name, message, frames=()):
    """ExceptionFacts of something that was found by the host and has no traceback of its own."""
    message = cut_end(message, MESSAGE_BYTES_MAX)
    return {
        "exceptionType": name,
        "message": message,
        "traceback": "%s: %s\n" % (name, message),
        "frames": list(frames),
    }


def type_name(kind):
    """`ValueError`, `sklearn.exceptions.NotFittedError`: builtins stand without their module."""
    module = getattr(kind, "__module__", None)
    name = getattr(kind, "__qualname__", "?")
    return name if module == "builtins" or type(module) is not str else module + "." + name


def text_of(value):
    try:
        text = str(value)
        return text if type(text) is str else str.__str__(text)
    except BaseException as failed:
        return "<str() of it raised %s>" % type_name(type(failed))


def cut_end(text, limit):
    """At most `limit` bytes of UTF-8, with a note of how many were left out."""
    if len(text) <= limit // 4:
        return text
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= limit:
        return text
    note = " ... (%d bytes in all)" % len(data)
    return _decoded(data[:limit - len(note)]) + note


def cut_middle(text, limit):
    """At most `limit` bytes of UTF-8: both ends are kept, where start and cause stand."""
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= limit:
        return text
    note = "\n  ... %d bytes left out ...\n" % (len(data) - limit)
    half = (limit - len(note)) // 2
    return _decoded(data[:half]) + note + _decoded(data[-half:])


def _decoded(data):
    """Bytes that may be cut within a character at either end; the halves of that character are dropped."""
    while data and (data[0] & 0xC0) == 0x80:
        data = data[1:]
    for missing in range(4):
        try:
            return data[:len(data) - missing].decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            pass
    return data.decode("utf-8", "replace")


# -- frames -------------------------------------------------------------------------------------------------


def _users_part(tb):
    """Without the frames of the host and of the import machinery that called the user's code."""
    while tb is not None and _is_machinery(tb.tb_frame.f_code.co_filename):
        tb = tb.tb_next
    return tb


def _is_machinery(file):
    return (
        file.startswith(_HOST_FOLDER)
        or file == _HOST_ENTRY
        or file.startswith("<frozen importlib")
        or file.endswith("/importlib/__init__.py")
        or file.endswith(("/cProfile.py", "/profile.py"))
    )


def _summaries(tb):
    """FrameSummary objects, outermost first; of very deep stacks the two ends, and how many lie between."""
    depth = 0
    walk = tb
    while walk is not None:
        depth += 1
        walk = walk.tb_next
    if depth <= 1200:
        return traceback.extract_tb(tb), None, 0
    return traceback.extract_tb(tb, limit=200), traceback.extract_tb(tb, limit=-400), depth - 600


def _frames(error, code):
    head, tail, _ = _summaries(_users_part(error.__traceback__))
    found = list(head) + list(tail or ())
    if len(found) > _FRAMES_HEAD + _FRAMES_TAIL:
        found = found[:_FRAMES_HEAD] + found[-_FRAMES_TAIL:]
    frames = [stack_frame(code, one.filename, one.lineno, one.name, one.line) for one in found]
    if isinstance(error, SyntaxError) and type(error.filename) is str:
        frames.append(stack_frame(code, error.filename, error.lineno, "<module>", error.text))
    return frames


def _bare_frames(error, code):
    frames = []
    tb = _users_part(error.__traceback__)
    while tb is not None and len(frames) < _FRAMES_HEAD + _FRAMES_TAIL:
        place = tb.tb_frame.f_code
        frames.append(stack_frame(code, place.co_filename, tb.tb_lineno, place.co_name))
        tb = tb.tb_next
    return frames


def stack_frame(code, file, line, function, text=None):
    path, own = code.locate(file)
    frame = {"file": path, "line": line if type(line) is int else 0, "function": function, "own": own}
    if type(text) is str and text.strip():
        frame["text"] = text.strip()[:_FRAME_TEXT_MAX]
    return frame


# -- the text of the traceback ------------------------------------------------------------------------------


def _format(error, depth=0):
    chain, left_out = _chain(error)
    parts = []
    for number, (one, link) in enumerate(reversed(chain)):
        if left_out and number == _CHAIN_TAIL:
            parts.append("\n  ... %d more exceptions of this chain left out ...\n\n" % left_out)
        parts.append(_format_one(one, depth))
        parts.append(link)
    return "".join(parts)


def _chain(error):
    """[(exception, text that follows it)], newest first, and how many in its middle were left out."""
    chain = [(error, "")]
    seen = {id(error)}
    while True:
        newest = chain[-1][0]
        cause, context = newest.__cause__, newest.__context__
        if cause is not None and id(cause) not in seen:
            chain.append((cause, _CAUSE))
        elif context is not None and not newest.__suppress_context__ and id(context) not in seen:
            chain.append((context, _CONTEXT))
        else:
            break
        seen.add(id(chain[-1][0]))
    left_out = len(chain) - _CHAIN_HEAD - _CHAIN_TAIL
    if left_out <= 0:
        return chain, 0
    return chain[:_CHAIN_HEAD] + chain[-_CHAIN_TAIL:], left_out


def _format_one(error, depth):
    parts = []
    tb = _users_part(error.__traceback__)
    if tb is not None:
        head, tail, left_out = _summaries(tb)
        parts.append("Traceback (most recent call last):\n")
        parts.extend(head.format())
        if tail is not None:
            parts.append("  ... %d frames left out ...\n" % left_out)
            parts.extend(tail.format())
    parts.append(_format_last_line(error))
    if _Group and isinstance(error, _Group):
        parts.append(_format_group(error, depth))
    return "".join(parts)


def _format_last_line(error):
    if isinstance(error, SyntaxError):
        try:
            return "".join(traceback.format_exception_only(type(error), error))
        except Exception:
            pass
    name = type_name(type(error))
    text = cut_end(text_of(error), MESSAGE_BYTES_MAX)
    lines = [name + ": " + text if text else name]
    notes = getattr(error, "__notes__", None)
    if type(notes) is list:
        lines += [cut_end(text_of(note), MESSAGE_BYTES_MAX) for note in notes[:_NOTES_MAX]]
    return "\n".join(lines) + "\n"


def _format_group(error, depth):
    members = list(error.exceptions)
    if depth >= _GROUP_DEPTH:
        return "  | ... %d exceptions, nested too deep to show\n" % len(members)
    parts = []
    for number, member in enumerate(members[:_GROUP_WIDTH], 1):
        parts.append("  +---------------- %d ----------------\n" % number)
        parts.extend("  | " + line + "\n" for line in _format(member, depth + 1).splitlines())
    if len(members) > _GROUP_WIDTH:
        parts.append("  +---------------- and %d more ----------------\n" % (len(members) - _GROUP_WIDTH))
    return "".join(parts)
