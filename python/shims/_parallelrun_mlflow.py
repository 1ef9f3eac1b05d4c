"""
The script's own mlflow keeps what it records in a folder of the run. Workers that begin at once would each want to make
the experiment in it, and all but one fail or make a second: so it is there before mlflow is imported.
"""
import hashlib
import json
import os
import shutil
import time
from urllib.parse import unquote, urlparse

from _parallelrun_shim import run_folder


def prepare():
    """Called when the script imports mlflow. Does nothing where the user has chosen another place; never raises."""
    try:
        _prepare()
    except Exception:
        pass  # mlflow then does it itself


def _prepare():
    uri, name = os.environ.get("MLFLOW_TRACKING_URI", ""), os.environ.get("MLFLOW_EXPERIMENT_NAME")
    folder = run_folder()
    if folder is None or not name or not uri.startswith("file:"):
        return
    store = os.path.join(folder, "mlflow")
    if os.path.abspath(unquote(urlparse(uri).path)) != os.path.abspath(store):
        return
    os.makedirs(store, exist_ok=True)
    _experiment(store, uri, "0", "Default")
    if name != "Default":
        # the same number in every worker: who comes second finds it
        _experiment(store, uri, str(int(hashlib.sha256(name.encode("utf-8")).hexdigest()[:14], 16) + 10 ** 17), name)


def _experiment(store, uri, number, name):
    if os.path.exists(os.path.join(store, number)):
        return
    now = int(time.time() * 1000)
    facts = {
        "artifact_location": "%s/%s" % (uri.rstrip("/"), number), "creation_time": now, "experiment_id": number,
        "last_update_time": now, "lifecycle_stage": "active", "name": name,
    }
    # beside the store: mlflow takes every folder in it for an experiment
    unfinished = "%s.%d.%s.tmp" % (store, os.getpid(), os.urandom(4).hex())
    try:
        os.mkdir(unfinished)
        with open(os.path.join(unfinished, "meta.yaml"), "w", encoding="utf-8") as file:
            for key in sorted(facts):
                file.write("%s: %s\n" % (key, json.dumps(facts[key])))
        os.rename(unfinished, os.path.join(store, number))
    except OSError:
        shutil.rmtree(unfinished, ignore_errors=True)
