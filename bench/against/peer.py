"""Runs tasks of ten names with one of the peers: peer.py '{"peer": ..., "workers": n, "folder": ..., "warm": n, "tasks": n}'.

Prints as JSON: `inside`, the seconds from the first task handed in to the last result, after `warm` tasks that don't count;
`parentCpu`, processor seconds of this process meanwhile; `firstAt`, the time of the first result. With `less` so many tasks
are run once more, apart, and what they took is taken off both: a fixed cost of each call then cancels out.
"""
import json
import sys
import time

import pools
import tasks
from names import tasks_of


def measured(go, work):
    """Returns seconds on the clock and of the processor, and the time of the first result."""
    cpu, start = time.process_time(), time.perf_counter()
    first_at, results = None, 0
    for _ in go(tasks.run, work):
        first_at = first_at or time.time()
        results += 1
    seconds = time.perf_counter() - start
    if results != len(work):
        sys.exit("Error: %d results of %d tasks" % (results, len(work)))
    return seconds, time.process_time() - cpu, first_at


def main():
    setting = json.loads(sys.argv[1])
    warm, less = setting.get("warm", 0), setting.get("less", 0)
    work = tasks_of(setting["folder"], 0, setting["tasks"])
    with pools.PEERS[setting["peer"]](setting["workers"]) as go:
        if warm > 0:
            measured(go, work[:warm])
        off = measured(go, work[:less]) if less > 0 else (0, 0, None)
        inside, cpu, first_at = measured(go, work)
    found = {"inside": inside - off[0], "parentCpu": cpu - off[1], "firstAt": first_at * 1000}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
