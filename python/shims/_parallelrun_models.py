"""
Models by name: those of the job, those below AZUREML_MODEL_DIR, those of the registry of this machine
(`<registry>/<name>/<version>/model.json` and `files/`, as `parallelrun models` keeps it).
"""
import json
import os
import re
import shutil
import time
from difflib import get_close_matches

from _parallelrun_shim import azure_error, map_of

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$")
_VERSION = re.compile(r"^[1-9][0-9]{0,14}$")
_TEMPORARY = ".new-"


class Found:
    """One version of a model. `path` is its file or folder."""

    def __init__(self, name, version, path, facts=None):
        self.name, self.version, self.path = name, version, path
        self.facts = facts or {}


def registry():
    folder = os.environ.get("PARALLELRUN_MODELS")
    if folder:
        return os.path.abspath(folder)
    data = os.environ.get("XDG_DATA_HOME", "")
    if not os.path.isabs(data):
        data = os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.path.join(data, "parallelrun", "models")


def find(name, version=None):
    """Raises the SDK's "not found" where there is none of that name and version."""
    name, wanted = str(name), None if version is None else str(version)
    for place in (_of_job, _of_model_dir, _of_registry, _of_cache):
        found = place(name, wanted)
        if found is not None:
            return found
    raise not_found(name, wanted)


def not_found(name, version):
    here = known()
    text = "PR2911 there is no model %r" % name if version is None else "PR2911 there is no version %s of the model %r" % (
        version, name)
    if version is not None and name in here:
        text += "; there are the versions %s" % ", ".join(str(one) for one in here[name])
    else:
        near = get_close_matches(name, list(here), 3, 0.5)
        text += "; did you mean %s?" % ", ".join(near) if near else "; there are: %s" % (", ".join(sorted(here)) or "none")
    text += " Looked at models: of the job, AZUREML_MODEL_DIR and the registry %s (parallelrun models add %s PATH)" % (
        registry(), name)
    return azure_error(["ModelNotFoundException", "WebserviceException"], text)


def known():
    """Names to versions, for messages."""
    names = {name: [one.get("version") or "of the job"] for name, one in map_of("PARALLELRUN_JOB_MODELS").items()}
    for name in _names(registry()):
        versions = _versions(os.path.join(registry(), name))
        if versions:
            names[name] = versions
    return names


def everything():
    """Every version of every model here, those of the job first, then the registry's."""
    found = []
    for name in map_of("PARALLELRUN_JOB_MODELS"):
        found.append(_of_job(name, None))
    there = {(one.name, one.version) for one in found if one is not None}
    for name in _names(registry()):
        for version in _versions(os.path.join(registry(), name)):
            if (name, version) not in there:
                found.append(_of_registry(name, str(version)))
    return [one for one in found if one is not None]


def _of_job(name, version):
    one = map_of("PARALLELRUN_JOB_MODELS").get(name)
    if not isinstance(one, dict) or not isinstance(one.get("path"), str):
        return None
    of_job = one.get("version")
    if version is not None and of_job is not None and str(of_job) != version:
        return None
    facts = _facts(os.path.dirname(os.path.dirname(one["path"]))) if of_job is not None else {}
    return Found(name, int(of_job) if of_job is not None else 1, one["path"], facts)


def _of_model_dir(name, version):
    folder = os.environ.get("AZUREML_MODEL_DIR")
    if not folder:
        return None
    found = _of_versions(os.path.join(folder, name), name, version)
    if found is not None:
        return found
    # of a job with one model: the folder is that of its version
    parent, number = os.path.split(os.path.abspath(folder))
    if os.path.basename(parent) == name and _VERSION.match(number) and version in (None, number):
        return Found(name, int(number), _single(folder))
    path = os.path.join(folder, name)
    if version is None and _is_plain(name) and os.path.exists(path):
        return Found(name, 1, path)
    return None


def _of_registry(name, version):
    if not _NAME.match(name):
        return None
    folder = os.path.join(registry(), name)
    versions = [number for number in _versions(folder) if version in (None, str(number))]
    if not versions:
        return None
    place = os.path.join(folder, str(versions[-1]))
    return Found(name, versions[-1], _single(os.path.join(place, "files")), _facts(place))


def _of_cache(name, version):
    """Where the SDK looks last: `azureml-models` and the name itself, in the working folder."""
    if not _is_plain(name):
        return None
    found = _of_versions(os.path.join("azureml-models", name), name, version)
    if found is None and version is None and os.path.exists(name):
        found = Found(name, 1, os.path.abspath(name))
    return found


def _of_versions(folder, name, version):
    if not _is_plain(name):
        return None
    numbers = [number for number in _versions(folder, "") if version in (None, str(number))]
    return Found(name, numbers[-1], _single(os.path.join(folder, str(numbers[-1])))) if numbers else None


def _is_plain(name):
    return bool(name) and ".." not in name.split("/") and not name.startswith("/") and "\0" not in name


def _names(folder):
    try:
        return sorted(name for name in os.listdir(folder) if _NAME.match(name))
    except OSError:
        return []


def _versions(folder, proof="model.json"):
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return sorted(int(name) for name in names if _VERSION.match(name) and os.path.exists(os.path.join(folder, name, proof)))


def _facts(folder):
    try:
        with open(os.path.join(folder, "model.json"), encoding="utf-8") as file:
            facts = json.load(file)
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _single(folder):
    """The only file or folder in it; the folder itself where there are several."""
    try:
        names = os.listdir(folder)
    except OSError:
        return os.path.abspath(folder)
    return os.path.join(os.path.abspath(folder), names[0]) if len(names) == 1 else os.path.abspath(folder)


# -- adding -------------------------------------------------------------------------------------------------------


def add(name, path, tags=None, properties=None, description=None, run_id=None):
    """A new version, there as a whole or not at all; two at once make two. -> Found"""
    if not _NAME.match(str(name)):
        raise ValueError("PR2908 %r is no name for a model: letters, digits, '-', '_' and '.', at most 255 of them" % (name,))
    path = os.path.abspath(path)
    if not os.path.exists(path):
        raise azure_error(["WebserviceException"], "PR2909 there is no %s to register as the model %s" % (path, name))
    folder = os.path.join(registry(), name)
    os.makedirs(folder, exist_ok=True)
    unfinished = os.path.join(folder, "%s%d-%s" % (_TEMPORARY, os.getpid(), os.urandom(4).hex()))
    try:
        inside = os.path.join(unfinished, "files", os.path.basename(path))
        if os.path.isdir(path):
            shutil.copytree(path, inside)
        else:
            os.makedirs(os.path.dirname(inside))
            shutil.copyfile(path, inside)
        facts = {"format": 1, "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "description": description or "",
                 "tags": _texts(tags), "properties": _texts(properties), "run": run_id}
        with open(os.path.join(unfinished, "model.json"), "w", encoding="utf-8") as file:
            json.dump(facts, file, indent=2)
            file.write("\n")
        _sync(unfinished)
        version = _rename(unfinished, folder)
        return Found(name, version, _single(os.path.join(folder, str(version), "files")), facts)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _rename(unfinished, folder):
    version = max([0] + [int(name) for name in os.listdir(folder) if _VERSION.match(name)])
    while True:
        version += 1
        try:
            os.rename(unfinished, os.path.join(folder, str(version)))  # a folder with something in it is never replaced
            return version
        except OSError:
            if not os.path.isdir(os.path.join(folder, str(version))):
                raise


def _sync(folder):
    for below, _, names in os.walk(folder):
        for name in names + ["."]:
            try:
                fd = os.open(os.path.join(below, name), os.O_RDONLY)
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)
            except OSError:
                pass


def _texts(pairs):
    return {str(key): str(value) for key, value in (pairs or {}).items()}


def copy(path, target):
    """Copies a file or folder into the folder `target`, under its own name. -> where it is then"""
    place = os.path.join(target, os.path.basename(path))
    os.makedirs(target, exist_ok=True)
    if os.path.isdir(path):
        shutil.copytree(path, place, dirs_exist_ok=True)
    else:
        unfinished = "%s.%d.tmp" % (place, os.getpid())
        shutil.copyfile(path, unfinished)
        os.replace(unfinished, place)
    return place
