"""
Makes the helper modules importable: `azureml.core` and `azureml_user.parallel_run` ahead of packages of that name in
the environment (they extend those, they don't hide them), `entry_script` behind everything, so that a script's own
module of that name wins. What lies in the code folder always wins.
"""
import importlib.util
import os
import sys

SHIMS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "shims")
_FIRST = ("azureml", "azureml_user")
_CODE = "PARALLELRUN_CODE_FOLDER"

AZURE_MISSING = (
    "PR2904 %s is not part of what ParallelRun provides of the Azure SDK (azureml.core and the EntryScript helpers), and no "
    "package in this environment provides it: add azureml-core to the packages of the job, or leave it out"
)


def install(code_folder):
    """In a worker with the code folder on `sys.path` already; in what a command starts, before its script is known."""
    os.environ[_CODE] = code_folder
    _install(code_folder)
    if SHIMS not in sys.path:
        sys.path.append(SHIMS)


def install_in_child():
    """The same in a process that a script starts with multiprocessing's `spawn` or `forkserver`; it has our `sys.path`."""
    code_folder = os.environ.get(_CODE)
    if code_folder is not None and not any(isinstance(finder, _First) for finder in sys.meta_path):
        _install(code_folder)


def _install(code_folder):
    names = [name for name in _FIRST if not _holds(code_folder, name)]
    # of a run around this one: a command may start ParallelRun itself
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, (_First, _Last))]
    sys.meta_path.insert(0, _First(names))
    sys.meta_path.append(_Last())


def _holds(folder, name):
    path = os.path.join(folder, name)
    return os.path.isdir(path) or os.path.isfile(path + ".py")


class _First:
    """Ours before a package that is installed. The submodules are then found through the `__path__` of ours."""

    def __init__(self, names):
        self._names = names

    def find_spec(self, fullname, path=None, target=None):
        if fullname == "mlflow":
            self._before_mlflow()
        if fullname not in self._names:
            return None
        folder = os.path.join(SHIMS, fullname)
        return importlib.util.spec_from_file_location(
            fullname, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
        )

    def _before_mlflow(self):
        """The script's own, which finds its store in order."""
        try:
            from _parallelrun_mlflow import prepare

            prepare()
        except ImportError:
            pass


class _Last:
    """Asked when nobody has it: says so in words."""

    def find_spec(self, fullname, path=None, target=None):
        # only for submodules of our own stand-in, never for one that the script brought along
        if fullname.startswith("azureml.") and hasattr(sys.modules.get("azureml"), "PROVIDED_BY_PARALLELRUN"):
            raise ModuleNotFoundError(AZURE_MISSING % fullname, name=fullname)
        return None
