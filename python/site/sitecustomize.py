"""
Loaded by every Python that a command of a pipeline starts, since its folder is the first of PYTHONPATH: such scripts find
the same helper modules as the entry scripts of workers do. The environment's own module of this name follows.
"""
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def _is_here(entry):
    return os.path.abspath(entry or os.curdir) == _HERE


def _install():
    code_folder = os.environ.get("PARALLELRUN_CODE_FOLDER")
    if code_folder is None or sys.version_info < (3, 8):
        return
    host = os.path.dirname(_HERE)
    sys.path.insert(0, host)
    try:
        from parallelrun_host.shim_finder import install

        install(code_folder)
    except Exception:
        pass  # a script that uses none of them must run all the same
    finally:
        sys.path.remove(host)


def _hand_over():
    """What stands behind ours on the path, under the name it expects."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    spec = PathFinder.find_spec(__name__, sys.path)
    if spec is None or spec.loader is None:
        return
    module = module_from_spec(spec)
    sys.modules[__name__] = module
    spec.loader.exec_module(module)


sys.path[:] = [entry for entry in sys.path if not _is_here(entry)]
_install()
_hand_over()
