"""Reads 8-bit greyscale PNG files with nothing but the standard library."""
import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


class BrokenImage(ValueError):
    """The file is not the image that its name promises; the message says why."""


def read_grey(path):
    """Returns (width, height, pixels): one byte a pixel, rows from the top. Raises BrokenImage or OSError."""
    with open(path, "rb") as file:
        data = file.read()
    if not data:
        raise BrokenImage("the file is empty")
    if not data.startswith(SIGNATURE):
        raise BrokenImage("not a PNG file, it begins with %r" % data[:8])
    header, packed = None, []
    for kind, body in _chunks(data):
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed.append(body)
        elif kind == b"IEND":
            break
    else:
        raise BrokenImage("cut off after %d bytes" % len(data))
    if header is None or header[2:] != (8, 0, 0, 0, 0):
        raise BrokenImage("not an 8-bit greyscale image")
    width, height = header[:2]
    try:
        raw = zlib.decompress(b"".join(packed))
    except zlib.error as error:
        raise BrokenImage("its pixels can't be unpacked: %s" % error) from error
    if len(raw) != height * (width + 1):
        raise BrokenImage("it holds %d bytes of pixels instead of %d" % (len(raw), height * (width + 1)))
    return width, height, _unfilter(raw, width, height)


def _chunks(data):
    position = len(SIGNATURE)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4 : position + 8]
        body = data[position + 8 : position + 8 + length]
        checksum = data[position + 8 + length : position + 12 + length]
        if len(checksum) < 4:
            return
        if struct.unpack(">I", checksum)[0] != zlib.crc32(kind + body):
            raise BrokenImage("the checksum of its part %s is wrong" % kind.decode("latin-1"))
        yield kind, body
        position += 12 + length


def _unfilter(raw, width, height):
    pixels = bytearray(width * height)
    above = bytearray(width)
    for y in range(height):
        start = y * (width + 1)
        method = raw[start]
        row = bytearray(raw[start + 1 : start + 1 + width])
        if method > 4:
            raise BrokenImage("row %d has the unknown filter %d" % (y, method))
        if method:
            for x in range(width):
                left = row[x - 1] if x else 0
                corner = above[x - 1] if x else 0
                row[x] = (row[x] + _prediction(method, left, above[x], corner)) & 255
        pixels[y * width : (y + 1) * width] = row
        above = row
    return bytes(pixels)


def _prediction(method, left, up, corner):
    if method == 1:
        return left
    if method == 2:
        return up
    if method == 3:
        return (left + up) // 2
    estimate = left + up - corner
    distances = (abs(estimate - left), abs(estimate - up), abs(estimate - corner))
    return (left, up, corner)[distances.index(min(distances))]
