"""Stand-in for `azureml.core.model`: the models of the job and the registry of this machine."""
import os
import sys
from datetime import datetime, timezone

import _parallelrun_models as models
from _parallelrun_records import add, fact
from _parallelrun_shim import Local, NotLocal, RealModule, azure_error


class Model(Local):
    """One version of a model."""

    _hint = "parallelrun models adds and lists them"

    class Framework:
        CUSTOM = "Custom"
        ONNX = "Onnx"
        SCIKITLEARN = "ScikitLearn"
        TENSORFLOW = "TensorFlow"

    def __init__(self, workspace=None, name=None, id=None, tags=None, properties=None, version=None, run_id=None,  # noqa: A002
                 model_framework=None, **_):
        if id is not None:
            name, _, of_id = str(id).partition(":")
            version = version or of_id or None
        if name is None:
            raise azure_error(["WebserviceException"], "PR2911 Model(): a name or an id is needed")
        found = models.find(name, version)
        if version is None and (tags or properties or run_id):
            fitting = _fitting(name, tags, properties, run_id)
            if not fitting:
                raise models.not_found(name, None)
            found = fitting[0]
        self._take(found, workspace)

    def _take(self, found, workspace):
        facts = found.facts
        self.workspace = workspace
        self.name, self.version = found.name, found.version
        self.id = "%s:%s" % (found.name, found.version)
        self.tags, self.properties = dict(facts.get("tags") or {}), dict(facts.get("properties") or {})
        self.description = facts.get("description") or ""
        self.run_id = facts.get("run")
        self.model_framework = None
        self.created_time = _time(facts.get("created"))
        self.url = "file://" + found.path
        self._path = found.path

    @classmethod
    def _of(cls, found, workspace=None):
        model = cls.__new__(cls)
        model._take(found, workspace)
        return model

    def __repr__(self):
        return "Model(name=%r, version=%r)" % (self.name, self.version)

    @staticmethod
    def get_model_path(model_name, version=None, _workspace=None):
        """Path of the model: of its file where it is one file, else of its folder."""
        return models.find(model_name, version).path

    @classmethod
    def list(cls, workspace=None, name=None, tags=None, properties=None, run_id=None, latest=False, *_, **__):
        """Newest first; `tags`: keys, or [key, value] pairs, all of which must fit."""
        found = _fitting(name, tags, properties, run_id)
        if latest:
            newest = {}
            for one in found:
                if one.name not in newest or one.version > newest[one.name].version:
                    newest[one.name] = one
            found = [one for one in found if newest[one.name] is one]
        return [cls._of(one, workspace) for one in found]

    @classmethod
    def register(cls, workspace=None, model_path=None, model_name=None, tags=None, properties=None, description=None,
                 datasets=None, model_framework=None, model_framework_version=None, **_):
        """Copies a file or folder into the registry, as the next version."""
        run = _run()
        return cls._register_of_run(run, model_name, model_path, tags, properties, description, workspace)

    @classmethod
    def _register_of_run(cls, run, model_name, model_path, tags=None, properties=None, description=None, workspace=None):
        found = models.add(model_name, model_path, tags, properties, description, run and run.id)
        if run is not None:
            add(fact("model", run.id, model_name, found.version))
        return cls._of(found, workspace)

    def download(self, target_dir=".", exist_ok=False, exists_ok=None):
        """Copies it into a folder. -> path of the file or folder there"""
        place = os.path.join(target_dir, os.path.basename(self._path))
        if os.path.exists(place) and not (exist_ok or exists_ok):
            raise azure_error(["WebserviceException"],
                              "PR2909 %s exists already; exist_ok=True replaces it" % os.path.abspath(place))
        return models.copy(self._path, target_dir)

    def delete(self):
        raise NotLocal("Model.delete", "remove its folder, %s" % models.registry())

    def deploy(self, *_, **__):
        raise NotLocal("Model.deploy", "parallelrun run scores with it")

    def package(self, *_, **__):
        raise NotLocal("Model.package", "parallelrun run scores with it")


def _fitting(name, tags, properties, run_id):
    fits = [one for one in models.everything()
            if (name is None or one.name == name) and (run_id is None or one.facts.get("run") == run_id)
            and _has(one.facts.get("tags") or {}, tags) and _has(one.facts.get("properties") or {}, properties)]
    return sorted(fits, key=lambda one: (one.facts.get("created") or "", one.version), reverse=True)


def _has(pairs, wanted):
    for one in (wanted.items() if isinstance(wanted, dict) else wanted or ()):
        if isinstance(one, str):
            if one not in pairs:
                return False
        elif pairs.get(str(one[0])) != str(one[1]):
            return False
    return True


def _time(text):
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except (TypeError, ValueError):
        return None


def _run():
    """The run whose fact it is; outside of ParallelRun there is none."""
    if not os.environ.get("AZUREML_RUN_ID"):
        return None
    from azureml.core.run import Run

    return Run.get_context()


_real = RealModule(__name__, "model.py", getattr(sys.modules.get("azureml.core"), "__path__", []))


def __getattr__(name):
    return _real.attribute(name)
