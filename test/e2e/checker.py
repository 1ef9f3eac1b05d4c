"""Checks a run's result without any code of the product: Python standard library only.

    checker.py rows RESULT EXPECTED          every expected row once, in order; nothing else
    checker.py ledger LEDGER                 decodes the ledger: prints what is committed, fails where one is twice
    checker.py spool LEDGER SPOOL RESULT     the result is the committed extents of the spool in mini-batch order
    checker.py run FOLDER RESULT EXPECTED    all of it for one run; and each item has exactly one end, dead ones a letter

EXPECTED is a file of rows, or `-` for standard input. Of `run` RESULT may be `-`, there is none, and EXPECTED may be
missing. Exit code 0 and a line of JSON where all is well, else 1.
"""
import json
import os
import struct
import sys
import zlib

MAGIC = b"parallelrun-ledger 1\n"
#: First number of a record for a mini-batch that was done at once.
DONE = 2


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
        # bytes that the disk never got are zeros: no length, and the checksum of nothing
        if length < 2 or len(payload) < length or zlib.crc32(payload) != crc:
            return
        yield json.loads(payload)
        at += 8 + length


def committed(path):
    """
    Extent (offset, bytes, rows, crc) by mini-batch, None for one without rows; partial ones are among them. Fails where
    one is there twice.
    """
    done, failed = {}, set()
    for records in frames(path):
        for record in records:
            if isinstance(record, list):
                if record[0] != DONE:
                    continue
                index, extent = record[2], tuple(record[16:20])
            elif record["type"] == "run-resumed":
                for one in record["retried"] + record.get("rebuilt", []):
                    failed.discard(one["index"])
                    done.pop(one["index"], None)
                continue
            elif record["type"] == "try-finished" and record["settles"] in ("done", "partial", "failed"):
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


class Narrowed:
    """What became of the parts of one mini-batch, from the failed try of the whole on."""

    def __init__(self, items):
        self.items = items
        self.good = []
        #: Range of each hand-out that failed, by its dispatch number.
        self.failed = {}

    def take(self, record):
        part = record.get("part", {"from": 0, "to": self.items})
        at = (part["from"], part["to"])
        if not 0 <= at[0] < at[1] <= self.items:
            fail("mini-batch %d has no part %r" % (record["index"], at))
        if record["status"] == "RUN_DONE":
            self.good.append(at)
        else:
            self.failed[record["dispatch"]] = at


def account(path):
    """Follows every mini-batch through its hand-outs. -> [(mini-batch, position)] of the dead items, as they were settled"""
    dispatches, narrowed, dead = {}, {}, {}
    for records in frames(path):
        for record in records:
            if isinstance(record, list):
                if record[0] == DONE:
                    grows(dispatches, record[2], record[3])
            elif record["type"] == "run-resumed":
                narrowed.clear()
                for one in record["retried"] + record.get("rebuilt", []):
                    dead.pop(one["index"], None)
            elif record["type"] == "try-finished":
                index, settles = record["index"], record["settles"]
                grows(dispatches, index, record["dispatch"])
                if "part" in record and index not in narrowed:
                    fail("a part of mini-batch %d, which is not narrowed down" % index)
                if settles == "narrow" and "part" not in record:
                    narrowed[index] = Narrowed(record["items"])
                if index in narrowed:
                    narrowed[index].take(record)
                if settles in ("done", "partial", "failed"):
                    dead[index] = settle(record, narrowed.pop(index, None))
    return [(index, position) for index in dead for position in dead[index]]


def grows(dispatches, index, dispatch):
    if dispatch <= dispatches.get(index, 0):
        fail("mini-batch %d: dispatch %d after %d" % (index, dispatch, dispatches[index]))
    dispatches[index] = dispatch


def settle(record, parts):
    """Every item of the mini-batch has exactly one end. -> positions of its dead items"""
    index, items, dead = record["index"], record["items"], record.get("dead", [])
    if record["succeeded"] + record["failed"] != items:
        fail("mini-batch %d: %d and %d of %d items" % (index, record["succeeded"], record["failed"], items))
    lost = [(one["from"], one["to"]) for one in dead]
    if dead and sum(to - start for start, to in lost) != record["failed"]:
        fail("mini-batch %d: %d failed, dead are %r" % (index, record["failed"], lost))
    if record["settles"] == "partial" and (not dead or not 0 < record["failed"] < items):
        fail("mini-batch %d is partial with %d of %d failed" % (index, record["failed"], items))
    if parts is None:
        if dead and (items != 1 or lost != [(0, 1)]):
            fail("mini-batch %d was not narrowed down and has dead items %r" % (index, lost))
    elif dead or record["settles"] == "done":
        at = 0
        for start, to in sorted(lost + parts.good):
            if start != at:
                fail("mini-batch %d: item %d has no end or two: %r good, %r dead" % (index, at, parts.good, lost))
            at = to
        if at != items:
            fail("mini-batch %d: %d of %d items have an end" % (index, at, items))
        for one in dead:
            start, to = parts.failed.get(one["dispatch"], (0, 0))
            if not start <= one["from"] < one["to"] <= to:
                fail("mini-batch %d: dispatch %d does not explain %r" % (index, one["dispatch"], one))
    return [position for start, to in lost for position in range(start, to)]


def check_run(folder, result, expected=None):
    ledger = os.path.join(folder, "state", "ledger.journal")
    dead = account(ledger)
    letters = os.path.join(folder, "outputs", "dead_letters.jsonl")
    written = []
    if os.path.exists(letters):
        with open(letters, encoding="utf-8") as file:
            written = [(one["mini_batch"], one["position"]) for one in map(json.loads, file)]
    if sorted(written) != sorted(dead):
        fail("dead letters %r, the ledger has %r" % (written, dead))
    found = {"ok": True}
    if expected is not None:
        found = check_rows(result, expected)
    if result != "-":
        found.update(check_spool(ledger, os.path.join(folder, "state", "rows.spool"), result))
    return dict(found, dead=len(dead))


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
    elif command == "run" and len(arguments) in (3, 4):
        found = check_run(*arguments[1:])
    else:
        sys.exit(__doc__)
    print(json.dumps(found))


main(sys.argv[1:])
