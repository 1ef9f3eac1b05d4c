"""
Frames of the worker protocol: `u32 LE header length, u32 LE body length, header, body`. Pure: bytes in, messages out.

The header is one JSON object in ASCII whose `m` names the message; it never holds NaN, Infinity or an integer beyond
2^53. The body is opaque here. The counterpart in TypeScript is `src/domain/frame.ts`; both are tested against
`protocol/vectors.json`.
"""
import json
from struct import Struct

PROTOCOL_VERSION = 1
PREFIX_BYTES = 8
HEADER_BYTES_MAX = 4 * 1024 * 1024
BODY_BYTES_MAX = 1024 * 1024 * 1024
INTEGER_MAX = 2 ** 53

_PREFIX = Struct("<II")
_pack = _PREFIX.pack
_unpack_from = _PREFIX.unpack_from


class FrameError(Exception):
    """The peer broke the protocol: nothing after this point can be trusted."""


def _no_constant(text):
    raise ValueError(text + " is not JSON")


# instances of our own: a script may replace json.dumps and json.loads
_encode_json = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode
_decoder = json.JSONDecoder(parse_constant=_no_constant)
_scan_once = _decoder.scan_once


def _decode_json(text):
    try:
        value, end = _scan_once(text, 0)
        if end == len(text):
            return value
    except StopIteration:
        pass
    return _decoder.decode(text)  # white space around it, or what is wrong with it


def to_json(value):
    """JSON in ASCII. Raises ValueError for NaN and Infinity."""
    return _encode_json(value)


def from_json(data):
    """The value of UTF-8 JSON; lone surrogates survive. Raises ValueError."""
    return _decode_json(data.decode("utf-8", "surrogatepass"))


def frame_of_text(header, body=b""):
    """A frame from a header that already is JSON text."""
    data = header.encode("ascii")
    if len(data) > HEADER_BYTES_MAX:
        raise FrameError("header of %d bytes, at most %d are allowed" % (len(data), HEADER_BYTES_MAX))
    return _pack(len(data), len(body)) + data + body


def frame(header, body=b""):
    return frame_of_text(_encode_json(header), body)


class FrameDecoder:
    """Takes bytes as they come and gives whole frames. After a FrameError it must not be used any more."""

    def __init__(self):
        self._chunks = []
        self._have = 0
        self._need = PREFIX_BYTES

    @property
    def pending(self):
        """Bytes of a frame that has begun; at the end of the stream more than 0 means it was cut."""
        return self._have

    @property
    def missing(self):
        """Bytes until the frame that has begun is whole, as far as that is known."""
        return self._need - self._have

    def feed(self, chunk):
        """-> list of (header, body). A large frame is put together once, when all of it is here."""
        self._chunks.append(chunk)
        self._have += len(chunk)
        if self._have < self._need:
            return []
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        frames = []
        at = 0
        size = len(data)
        self._need = PREFIX_BYTES
        while size - at >= PREFIX_BYTES:
            header_bytes, body_bytes = _unpack_from(data, at)
            if not 2 <= header_bytes <= HEADER_BYTES_MAX:
                raise FrameError("header of %d bytes, 2 to %d are allowed" % (header_bytes, HEADER_BYTES_MAX))
            if body_bytes > BODY_BYTES_MAX:
                raise FrameError("body of %d bytes, at most %d are allowed" % (body_bytes, BODY_BYTES_MAX))
            body_at = at + PREFIX_BYTES + header_bytes
            end = body_at + body_bytes
            if end > size:
                self._need = end - at
                break
            frames.append((_parse_header(data[at + PREFIX_BYTES:body_at]), data[body_at:end]))
            at = end
        self._chunks = [data[at:]] if at < size else []
        self._have = size - at
        return frames


def _parse_header(data):
    try:
        header = _decode_json(data.decode("ascii"))
    except UnicodeDecodeError:
        raise FrameError("header is not ASCII") from None
    except (ValueError, RecursionError) as error:
        raise FrameError("header is not JSON: %r (%s)" % (data[:80], error)) from None
    if type(header) is not dict:
        raise FrameError("header is not a JSON object: %r" % data[:80])
    if type(header.get("m")) is not str:
        raise FrameError("header names no message: %r" % data[:80])
    return header
