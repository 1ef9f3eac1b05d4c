"""One profile per worker over all its `run()` calls, `--profiling_module`."""
import importlib
import os
import sys


class Profiler:
    """`module`: cProfile or profile, imported before user code. The pure Python one can be used for one call only."""

    def __init__(self, module, file):
        self._new = importlib.import_module(module).Profile
        self._stats_of = importlib.import_module("pstats").Stats
        self._reusable = self._new() if module == "cProfile" else None
        self._total = None
        self._used = False
        self._file = file

    def wrap(self, run):
        def profiled(*arguments):
            self._used = True
            if self._reusable is not None:
                return self._reusable.runcall(run, *arguments)
            profile = self._new()
            try:
                return profile.runcall(run, *arguments)
            finally:
                stats = self._stats_of(profile)
                self._total = self._total.add(stats) if self._total else stats

        return profiled

    def dump(self):
        """Never raises: a profile that cannot be written must not fail the worker."""
        if not self._used:
            return
        try:
            os.makedirs(os.path.dirname(self._file), exist_ok=True)
            (self._reusable or self._total).dump_stats(self._file)
        except Exception as error:
            print("the profile cannot be written to %s: %s" % (self._file, error), file=sys.stderr)
