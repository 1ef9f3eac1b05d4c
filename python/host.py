"""
Entry of the worker host: `python3 -X faulthandler <this file>`, with the agent's channel on descriptor 3.

The host's own modules are imported before anything of the user can be: without the user's PYTHONPATH, and long
before the code folder is on the path. A folder that holds a `json.py` therefore cannot get into the host.
"""
import os
import sys


def _import_main():
    here = os.path.dirname(os.path.abspath(__file__))
    whole = list(sys.path)
    users = set(os.environ.get("PYTHONPATH", "").split(os.pathsep)) | {"", here}
    sys.path[:] = [here] + [entry for entry in whole if entry not in users]
    try:
        from parallelrun_host.main import main
    finally:
        # the folder of this file is no place for the user's imports
        sys.path[:] = [entry for entry in whole if entry != here]
    return main


def _settle_child():
    """Children find the modules that their parent found. What goes wrong here must not end them."""
    here = os.path.dirname(os.path.abspath(__file__))
    try:
        sys.path.insert(0, here)
        from parallelrun_host.shim_finder import install_in_child

        install_in_child()
    except Exception:
        pass
    finally:
        if here in sys.path:
            sys.path.remove(here)


# guarded: children that a script starts with multiprocessing's `spawn` import this file under another name
if __name__ == "__main__":
    sys.exit(_import_main()())
elif __name__ == "__mp_main__":
    _settle_child()
