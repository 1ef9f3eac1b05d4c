"""Prints how many loops of `tasks.compute` take a millisecond: the best of many, whatever else the machine does."""
import json
import time

import tasks

LOOPS = 20_000


def once():
    start = time.perf_counter()
    tasks.compute(LOOPS)
    return time.perf_counter() - start


print(json.dumps({"loopsPerMs": round(LOOPS / (min(once() for _ in range(50)) * 1000))}))
