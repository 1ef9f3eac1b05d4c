"""
What the stand-ins of the Azure SDK share. Needs nothing of the worker host, so that it works in child processes of a
script and outside of a run too.
"""
import importlib.util
import json
import os
import sys

MISSING = (
    "PR2904 %s.%s is not part of what ParallelRun provides of the Azure SDK (azureml.core with Run, Model, Workspace, "
    "Experiment, Dataset, Datastore, Environment, and the EntryScript helpers), and no package in this environment provides "
    "it: add azureml-core to the packages of the job, or leave it out"
)


def logging_level():
    return getattr(sys.modules.get("parallelrun_host.records"), "logging_level", "INFO")


def map_of(variable):
    """A map of names that the agent put into the environment; empty outside of a run."""
    try:
        value = json.loads(os.environ.get(variable) or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def run_folder():
    """Folder of the run, None outside of one."""
    folder = os.environ.get("PARALLELRUN_RUN_FOLDER")
    if folder:
        return folder
    root, run_id = os.environ.get("AZ_BATCHAI_INPUT_AZUREML"), os.environ.get("AZUREML_RUN_ID")
    return os.path.join(root, run_id) if root and run_id else None


# -- what is not here -------------------------------------------------------------------------------------------


class NotLocal(NotImplementedError):
    """Something that only the service could do."""

    def __init__(self, what, instead):
        super().__init__("PR2906 %s needs the Azure service, and a run of ParallelRun uses none: %s" % (what, instead))


class _Hints(type):
    """Names that a class doesn't have are told with those it has."""

    def __getattr__(cls, name):
        raise AttributeError(name if name.startswith("_") else _unknown(cls, name))


class Local(metaclass=_Hints):
    """Base of the stand-ins' classes: asking for a name they don't have says what there is."""

    _hint = ""

    def __getattr__(self, name):
        # with an underscore it is Python or a library that asks, by trial: copying, pickling, printing
        raise AttributeError(name if name.startswith("_") else _unknown(type(self), name))


def _unknown(cls, name):
    there = sorted(one for one in dir(cls) if not one.startswith("_"))
    hint = cls._hint and " (%s)" % cls._hint
    return "PR2904 %s.%s is not provided by ParallelRun%s; there are: %s" % (
        cls.__name__.lstrip("_"), name, hint, ", ".join(there))


def azure_error(names, text):
    """
    An exception that code written for the SDK catches: of all these classes of `azureml.exceptions` that there are. Who
    wants to catch one has imported it, so nothing is loaded here.
    """
    real = sys.modules.get("azureml.exceptions")
    kinds = [getattr(real, name, None) for name in names]
    kinds = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Exception)]
    for bases in (tuple(kinds) + (NotFound,), tuple(kinds[:1])):
        try:
            return type("NotFound", bases, {})(text)
        except Exception:
            continue  # classes that don't go together, or want to be made in another way
    return NotFound(text)


class NotFound(Exception):
    """A model, dataset or file of that name is not here."""


# -- a real package of the same name ------------------------------------------------------------------------------


def real_is_wanted():
    """
    `PARALLELRUN_REAL_AZUREML=1` in the job's environment variables: an installed azureml-core speaks to its service, only
    `Run` stays ours.
    """
    return os.environ.get("PARALLELRUN_REAL_AZUREML", "") not in ("", "0", "false", "False")


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
        for folder in self._search:
            file = os.path.join(folder, self._relative_file)
            if os.path.isfile(file) and not _is_ours(folder):
                return file
        return None


_HERE = os.path.dirname(os.path.abspath(__file__))


def _is_ours(folder):
    return os.path.abspath(folder).startswith(_HERE + os.sep)
