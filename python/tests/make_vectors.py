"""
Writes `protocol/vectors.json`, the file of messages that both hosts are tested against. Run it after a change of the
protocol, from `python/`: `python3 -m tests.make_vectors`. It builds frames by hand, not with the codec under test.
"""
import json
import os
import struct

VECTORS = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "protocol", "vectors.json"
)

HELLO = {
    "m": "hello", "protocol": 1, "runId": "digits-1", "process": "Process-3", "address": "10.0.0.5",
    "codeFolder": "/runs/digits-1/state/code", "script": "/runs/digits-1/state/code/pkg/main.py",
    "moduleName": "pkg.main", "argv": ["--model", "a b", "--flag"], "runFolder": "/runs/digits-1",
    "workFolder": "/runs/digits-1/state/work/Process-3", "output": {"action": "append_row", "format": "csv"},
    "partFolder": "/runs/digits-1/state/parts",
    "tables": [{"format": "csv", "delimiter": ";", "schema": {"columns": [
        {"name": "id", "type": "int64"}, {"name": "größe", "type": "float64"}, {"name": "ok", "type": "nullable-bool"},
        {"name": "text", "type": "string"}]}}],
    "loggingLevel": "INFO",
}
FRAME = {"file": "score.py", "line": 41, "function": "run", "text": "raise ValueError('no')", "own": True}
FACTS = {
    "exceptionType": "ValueError", "message": "ungültig: \ud83d\ude00 \udcff",
    "traceback": "Traceback (most recent call last):\n  File \"/code/score.py\", line 41, in run\nValueError: ...\n",
    "frames": [FRAME],
}
END = {
    "i": 17, "d": 2, "n": 10, "w": [1606185599.472606, 1606185600.5], "c": [0.069009, 1e-06], "r": 0.1, "o": [175, 0],
}


def failed(**error):
    return dict(END, m="failed", error=error)


def done(**more):
    return dict(END, m="done", **more)


def source(value):
    return json.dumps(value).encode("ascii")


MESSAGES = [
    ("hello of the agent", "agent", HELLO, b""),
    ("hello with debugger and profile, summary_only", "agent", dict(
        HELLO, output={"action": "summary_only"}, tables=[], loggingLevel="DEBUG",
        debug={"port": 5678, "postMortem": False}, profiling={"module": "cProfile", "file": "/runs/p/Process-3.prof"},
    ), b""),
    ("hello with post mortem", "agent", dict(HELLO, debug={"port": 0, "postMortem": True}), b""),
    ("hello with a file for marks", "agent", dict(HELLO, markFile="/runs/digits-1/state/marks/Process-3 \udcff"), b""),
    ("run of files", "agent", {"m": "run", "i": 0, "d": 1, "t": 1},
     source({"kind": "files", "root": "/data/images", "files": ["a.png", "sub/b c.png", "-dash", "new\nline"]})),
    ("run of files beyond ASCII", "agent", {"m": "run", "i": 1, "d": 1, "t": 1},
     source({"kind": "files", "root": "/data/ü", "files": ["größe.txt", "日本.txt", "\U0001f600.txt"]})),
    ("run of a file whose name is not UTF-8", "agent", {"m": "run", "i": 2, "d": 3, "t": 2},
     source({"kind": "files", "root": "/data", "files": ["x\udcff\udc80.bin"]})),
    ("run of a source in UTF-8 without escapes", "agent", {"m": "run", "i": 3, "d": 1, "t": 1},
     '{"kind":"files","root":"/data","files":["größe.txt"]}'.encode("utf-8")),
    ("run of rows", "agent", {"m": "run", "i": 9007199254740991, "d": 1, "t": 3},
     source({"kind": "rows", "file": "/data/a.csv", "start": 12, "end": 1048588, "firstRow": 0, "rows": 9000,
             "table": 0})),
    ("run of a part of files", "agent", {"m": "run", "i": 5, "d": 7, "t": 3, "p": [1, 3]},
     source({"kind": "files", "root": "/data", "files": ["a", "b", "c", "d"]})),
    ("run of one row of many", "agent", {"m": "run", "i": 6, "d": 9, "t": 3, "p": [8999, 9000]},
     source({"kind": "rows", "file": "/data/a.csv", "start": 12, "end": 1048588, "firstRow": 27000, "rows": 9000,
             "table": 1})),
    ("run of a rank", "agent", {"m": "run", "i": 4, "d": 1, "t": 1}, source({"kind": "rank", "rank": 4})),
    ("stop", "agent", {"m": "stop"}, b""),
    ("hello of a Python worker", "worker",
     {"m": "hello", "protocol": 1, "pid": 4242, "language": "python", "version": "3.11.7"}, b""),
    ("hello of a Node worker", "worker",
     {"m": "hello", "protocol": 1, "pid": 4243, "language": "node", "version": "v20.20.2"}, b""),
    ("loaded", "worker", {"m": "loaded", "s": 0.736}, b""),
    ("initialized, no init function", "worker", {"m": "initialized", "s": 0}, b""),
    ("stage-error of an import", "worker",
     {"m": "stage-error", "stage": "load", "s": 0.01, "error": dict(FACTS, kind="exception")}, b""),
    ("stage-error without run", "worker",
     {"m": "stage-error", "stage": "load", "s": 0.01,
      "error": {"kind": "no-run-function", "file": "score.py", "defined": ["Run", "init", "predict"]}}, b""),
    ("stage-error of shutdown", "worker",
     {"m": "stage-error", "stage": "shutdown", "s": 1.5, "error": dict(FACTS, kind="exception", frames=[])}, b""),
    ("begin", "worker", {"m": "begin", "i": 17, "d": 2, "w": 1606185599.472606, "o": [5368709120, 0]}, b""),
    ("done with rows", "worker", done(k=2), "größe,1\nb,2\n".encode("utf-8")),
    ("done with columns", "worker", done(k=1, columns=["id", "größe", ""]), b"1,2,\n"),
    ("done with a part file", "worker",
     done(k=100000, part={"path": "/runs/digits-1/state/parts/17.2.part", "bytes": 5000000000}), b""),
    ("done of nothing", "worker", done(k=0), b""),
    ("done with bytes that are no text", "worker", done(k=1), bytes(range(256))),
    ("failed by an exception", "worker", failed(kind="exception", **FACTS), b""),
    ("failed by an exception at a known item", "worker",
     dict(failed(kind="exception", **FACTS), item=0, rss=7516192768), b""),
    ("failed by a row of a part", "worker",
     dict(failed(kind="unencodable-row", row=3, **FACTS), n=5, item=8, rss=24117248), b""),
    ("failed by its return", "worker", failed(kind="invalid-return", returned="NoneType", frame=FRAME), b""),
    ("failed by a row", "worker", failed(kind="unencodable-row", row=3, **FACTS), b""),
    ("failed by its input", "worker",
     failed(kind="input-error", path="/data/x\udcff.csv", reason="No such file or directory", errno="ENOENT"), b""),
    ("bye", "worker", {"m": "bye", "s": 0.000004}, b""),
    ("debug-waiting of Python", "worker", {"m": "debug-waiting", "port": 5678}, b""),
    ("debug-waiting of Node", "worker",
     {"m": "debug-waiting", "port": 9229, "url": "ws://127.0.0.1:9229/0f2c936f-b1cd"}, b""),
    ("record of a number", "worker",
     {"m": "record", "what": "metric", "name": "accuracy", "value": 0.30000000000000004, "w": 1606185599.25}, b""),
    ("record of small and large numbers", "worker",
     {"m": "record", "what": "metric", "name": "l", "value": [5e-324, 1e300, -0.5, 9007199254740991, "NaN"], "w": 1},
     b""),
    ("record of a row", "worker",
     {"m": "record", "what": "metric", "name": "m", "value": {"a": 1, "b": None, "c": True}, "w": 1.5}, b""),
    ("record of a tag", "worker", {"m": "record", "what": "tag", "name": "t", "value": "grün", "w": 1.5}, b""),
    ("record of a property", "worker", {"m": "record", "what": "property", "name": "p", "value": "1", "w": 1.5}, b""),
    ("record of a file", "worker",
     {"m": "record", "what": "file", "name": "m.pkl", "value": "outputs/m.pkl", "w": 1.5}, b""),
]


def frame(header, body=b""):
    data = json.dumps(header, separators=(",", ":"), allow_nan=False).encode("ascii")
    return struct.pack("<II", len(data), len(body)) + data + body


def raw(header_bytes, header, body_bytes=0, body=b""):
    return struct.pack("<II", header_bytes, body_bytes) + header + body


STOP = b'{"m":"stop"}'
NAN = b'{"m":"loaded","s":NaN}'
LATIN = '{"m":"é"}'.encode("utf-8")
BROKEN = [
    ("empty header", raw(0, b""), "a header has at least 2 bytes"),
    ("header of one byte", raw(1, b"{"), "a header has at least 2 bytes"),
    ("header one byte beyond the limit", raw(4 * 1024 * 1024 + 1, STOP), "a header has at most 4 MiB"),
    ("header length of text written to the channel", b"Traceback (most recent call last):", "a header has at most 4 MiB"),
    ("body beyond the limit", raw(len(STOP), STOP, 1024 ** 3 + 1), "a body has at most 1 GiB"),
    ("header is not JSON", raw(5, b"{m:1}"), "a header is JSON"),
    ("header with something after it", raw(len(STOP) + 1, STOP + b"x"), "a header is one JSON value"),
    ("header is cut JSON", raw(len(STOP) - 1, STOP[:-1]), "a header is JSON"),
    ("header is an array", raw(2, b"[]"), "a header is an object"),
    ("header is null", raw(4, b"null"), "a header is an object"),
    ("header without m", raw(2, b"{}"), "a header names its message"),
    ("m is a number", raw(7, b'{"m":1}'), "a header names its message by a string"),
    ("header beyond ASCII", raw(len(LATIN), LATIN), "a header is ASCII"),
    ("header with NaN", raw(len(NAN), NAN), "NaN is not JSON"),
    ("good frame, then a broken one", frame({"m": "stop"}) + raw(2, b"[]"), "a header is an object"),
]


MARKS = [
    ("mark of nothing", {"dispatch": 0, "index": 0, "position": 0}, bytes(16)),
    ("mark of an item", {"dispatch": 3, "index": 70000, "position": 258},
     b"\x03\0\0\0" b"\x70\x11\x01\0" b"\x02\x01\0\0" b"\0\0\0\0"),
    ("mark of large numbers", {"dispatch": 1, "index": 2 ** 32 - 1, "position": 2 ** 31},
     b"\x01\0\0\0" b"\xff\xff\xff\xff" b"\0\0\0\x80" b"\0\0\0\0"),
]


def main():
    entries = []
    for name, direction, header, body in MESSAGES:
        entry = {"name": name, "direction": direction, "header": header}
        if body:
            entry["bodyHex"] = body.hex()
        entry["frameHex"] = frame(header, body).hex()
        entries.append(entry)
    entries += [{"name": name, "brokenHex": data.hex(), "reason": why} for name, data, why in BROKEN]
    entries += [{"name": name, "mark": mark, "markHex": data.hex()} for name, mark, data in MARKS]
    lines = ",\n".join("  " + json.dumps(entry, allow_nan=False) for entry in entries)
    with open(VECTORS, "w", encoding="ascii") as file:
        file.write("[\n" + lines + "\n]\n")


if __name__ == "__main__":
    main()
