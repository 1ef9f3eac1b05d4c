"""The work of the benchmarks, the same for ours and for every peer: a function of ten file names.

Which work it is stands in the environment variable BENCH_WORK, as JSON: {"kind": "noop"}, {"kind": "sleep", "seconds": s},
{"kind": "compute", "loops": n}, {"kind": "hash"}, or {"kind": "row"} for mini-batches without input.
"""
import hashlib
import json
import os
import time

_SETTING = json.loads(os.environ.get("BENCH_WORK", '{"kind": "noop"}'))


def _noop(paths):
    return paths


def _sleep(paths):
    time.sleep(_SETTING["seconds"])
    return paths


def compute(loops):
    """So many rounds of arithmetic; what `calibrate` measures."""
    x = 1
    for _ in range(loops):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
    return x


def _compute(paths):
    compute(_SETTING["loops"])
    return paths


def _hash(paths):
    rows = []
    for path in paths:
        with open(path, "rb") as file:
            rows.append(hashlib.sha256(file.read()).hexdigest())
    return rows


def _row(_):
    return ["done"]


_WORK = {"noop": _noop, "sleep": _sleep, "compute": _compute, "hash": _hash, "row": _row}[_SETTING["kind"]]


def run(mini_batch):
    return _WORK(mini_batch)
