"""Checks a run's result without any code of the product: Python standard library only.

    checker.py rows RESULT EXPECTED          every expected row once, in order; nothing else
    checker.py ledger LEDGER                 decodes the ledger: prints what is committed, fails where one is twice
    checker.py spool LEDGER SPOOL RESULT     the result is the committed extents of the spool in mini-batch order

EXPECTED is a file of rows, or `-` for standard input. Exit code 0 and a line of JSON where all is well, else 1.
"""
import json
import struct
import sys
import zlib

MAGIC = b"parallelrun-ledger 1\n"


def fail(text):
    print(json.dumps({"ok": False, "why": text}))
    sys.exit(1)


def frames(path):
    """Records of every whole frame; what follows the last whole one is a torn tail."""
    with open(path, "rb") as file:
        data = file.read()
    if not MAGIC.startswith(data[: len(MAGIC)]):
        fail("%s does not start as a ledger" % path)
    at = len(MAGIC)
    while at + 8 <= len(data):
        length, crc = struct.unpack_from("<II", data, at)
        payload = data[at + 8 : at + 8 + length]
        if len(payload) < length or zlib.crc32(payload) != crc:
            return
        yield json.loads(payload)
        at += 8 + length


def committed(path):
    """Extent (offset, bytes, rows, crc) by mini-batch, None for one without rows. Fails where one is there twice."""
    done, failed = {}, set()
    for records in frames(path):
        for record in records:
            if isinstance(record, list):
                if record[0] != 2:
                    continue
                index, extent = record[2], tuple(record[16:20])
            elif record["type"] == "run-resumed":
                failed -= {one["index"] for one in record["retried"]}
                continue
            elif record["type"] == "try-finished" and record["settles"] in ("done", "failed"):
                index = record["index"]
                rows = record.get("rows")
                extent = (rows["offset"], rows["bytes"], rows["rows"], rows["crc32"]) if rows else (-1, 0, 0, 0)
                if record["settles"] == "failed":
                    extent = None
            else:
                continue
            if index in done or index in failed:
                fail("mini-batch %d is settled twice" % index)
            if extent is None:
                failed.add(index)
            else:
                done[index] = extent
    return done, failed


def check_rows(result, expected):
    with open(result, "rb") as file:
        rows = file.read()
    with sys.stdin.buffer if expected == "-" else open(expected, "rb") as file:
        wanted = file.read()
    if rows == wanted:
        return {"ok": True, "rows": rows.count(b"\n")}
    have, want = rows.split(b"\n"), wanted.split(b"\n")
    for place, (a, b) in enumerate(zip(have, want)):
        if a != b:
            fail("row %d is %r, expected %r (%d rows, expected %d)" % (place, a[:80], b[:80], len(have), len(want)))
    fail("%d rows, expected %d" % (len(have) - 1, len(want) - 1))


def check_spool(ledger, spool, result):
    done, _ = committed(ledger)
    with open(spool, "rb") as file:
        data = file.read()
    parts = []
    for index in sorted(done):
        offset, length, _, crc = done[index]
        part = data[offset : offset + length] if offset >= 0 else b""
        if len(part) != length or (offset >= 0 and zlib.crc32(part) != crc):
            fail("mini-batch %d: the spool does not hold its rows" % index)
        parts.append(part)
    with open(result, "rb") as file:
        if file.read() != b"".join(parts):
            fail("the result is not the committed rows in mini-batch order")
    return {"ok": True, "miniBatches": len(done)}


def main(arguments):
    command = arguments[0] if arguments else ""
    if command == "rows" and len(arguments) == 3:
        found = check_rows(*arguments[1:])
    elif command == "ledger" and len(arguments) == 2:
        done, failed = committed(arguments[1])
        found = {"ok": True, "done": sorted(done), "failed": sorted(failed)}
    elif command == "spool" and len(arguments) == 4:
        found = check_spool(*arguments[1:])
    else:
        sys.exit(__doc__)
    print(json.dumps(found))


main(sys.argv[1:])
