"""
What the stand-ins of the Azure SDK share. Needs nothing of the worker host, so that it works in child processes of a
script and outside of a run too.
"""
import importlib.util
import os
import sys

MISSING = (
    "PR2904 %s.%s is not part of what ParallelRun provides of the Azure SDK (azureml.core.Run and the EntryScript "
    "helpers), and no package in this environment provides it: add azureml-core to the packages of the job, or leave it "
    "out"
)


def record(what, name, value):
    """Keeps a metric, tag, property or file with the run; nothing happens where no worker host is."""
    host = sys.modules.get("parallelrun_host.records")
    if host is not None:
        host.record(what, name, value)


def logging_level():
    return getattr(sys.modules.get("parallelrun_host.records"), "logging_level", "INFO")


def extended_path(path, package):
    """`path` and every folder of that package elsewhere: real submodules stay importable beside ours."""
    folders = list(path)
    for entry in sys.path:
        folder = os.path.join(entry or ".", *package.split("."))
        if os.path.isdir(folder) and not any(os.path.realpath(folder) == os.path.realpath(one) for one in folders):
            folders.append(folder)
    return folders


class RealModule:
    """The installed module of the same name, executed when the first name is asked for that ours doesn't have."""

    def __init__(self, name, relative_file, search):
        self._name = name
        self._relative_file = relative_file
        self._search = search
        self._module = None

    def attribute(self, name):
        """Raises AttributeError; for names that scripts import from here, an ImportError that says what to do."""
        module = self._load()
        if module is not None and hasattr(module, name):
            return getattr(module, name)
        if name.startswith("_"):
            raise AttributeError("module %r has no attribute %r" % (self._name, name))
        raise ImportError(MISSING % (self._name, name), name=self._name)

    def _load(self):
        if self._module is None:
            file = self._file()
            if file is None:
                return None
            folder = os.path.dirname(file)
            is_package = os.path.basename(file) == "__init__.py"
            spec = importlib.util.spec_from_file_location(
                self._name, file, submodule_search_locations=[folder] if is_package else None
            )
            module = importlib.util.module_from_spec(spec)
            # set before it is executed: what it imports may ask us again, and finds what is there so far
            self._module = module
            try:
                spec.loader.exec_module(module)
            except BaseException:
                self._module = None
                raise
        return self._module

    def _file(self):
        for folder in self._search[1:]:
            file = os.path.join(folder, self._relative_file)
            if os.path.isfile(file):
                return file
        return None
