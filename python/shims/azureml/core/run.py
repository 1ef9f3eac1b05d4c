"""
Stand-in for `azureml.core.run`: what a scoring script uses of `Run`. Metrics, tags, properties and files are kept with
the run of ParallelRun; nothing is sent anywhere.
"""
import os
import shutil
import sys

from _parallelrun_shim import RealModule, record

_PROVIDED = (
    "get_context, id, parent, experiment, log, log_list, log_row, log_table, add_properties, tag, set_tags, upload_file, "
    "child_run, complete, fail, cancel, get_status"
)


class _Named:
    """Experiment and workspace: enough to be passed around; asking more of them says why there is none."""

    def __init__(self, kind, name, **attributes):
        self._kind = kind
        self.name = name
        self.__dict__.update(attributes)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError("PR2904 there is no %s.%s in a run of ParallelRun, which uses no Azure %s" % (
            self._kind, name, self._kind.lower()))

    def __repr__(self):
        return "%s(name=%r)" % (self._kind, self.name)


class Run:
    """One run. `Run.get_context()` gives the run this process works for; `child_run` makes one below it."""

    _current = None

    def __init__(self, experiment=None, run_id=None, parent=None, prefix=""):
        self.id = run_id
        self.name = run_id
        self.parent = parent
        self.experiment = experiment
        self.tags = {}
        self.properties = {}
        self._prefix = prefix
        self._status = "Running"

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError("PR2904 Run.%s is not provided by ParallelRun; there are: %s" % (name, _PROVIDED))

    def __repr__(self):
        return "Run(id=%r)" % self.id

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if self._status == "Running":
            if kind is None:
                self.complete()
            else:
                self.fail(error_details="%s: %s" % (kind.__name__, error))
        return False

    @classmethod
    def get_context(cls, allow_offline=True, **_):
        """The run of this process. Outside of a run: an offline one, or RuntimeError without `allow_offline`."""
        run_id = os.environ.get("AZUREML_RUN_ID")
        if not run_id and not allow_offline:
            raise RuntimeError("there is no run here: AZUREML_RUN_ID is not set")
        if Run._current is None or (run_id and Run._current.id != run_id):
            Run._current = _run_of_environment(run_id or "OfflineRun_" + os.urandom(8).hex())
        return Run._current

    # -- what is kept ---------------------------------------------------------------------------------------

    def log(self, name, value, description="", step=None):
        self._record("metric", name, value)

    def log_list(self, name, value, description=""):
        self._record("metric", name, list(value))

    def log_row(self, name, description=None, **kwargs):
        self._record("metric", name, kwargs)

    def log_table(self, name, value, description=""):
        self._record("metric", name, value)

    def add_properties(self, properties):
        for key, value in properties.items():
            self.properties[str(key)] = str(value)
            self._record("property", key, str(value))

    def tag(self, key, value=None):
        self.tags[str(key)] = None if value is None else str(value)
        self._record("tag", key, None if value is None else str(value))

    def set_tags(self, tags):
        for key, value in tags.items():
            self.tag(key, value)

    def get_tags(self):
        return dict(self.tags)

    def get_properties(self):
        return dict(self.properties)

    def upload_file(self, name, path_or_stream, datastore_name=None):
        """Copies a file below `outputs/` of the run folder, under `name`."""
        relative = _below_outputs(name)
        if self._prefix:
            relative = "outputs/%s%s" % (self._prefix, relative[len("outputs/"):])
        target = os.path.join(_run_folder(), *relative.split("/"))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        unfinished = "%s.%d.%s.tmp" % (target, os.getpid(), os.urandom(4).hex())
        try:
            _copy(path_or_stream, unfinished)
            os.replace(unfinished, target)
        except BaseException:
            if os.path.exists(unfinished):
                os.unlink(unfinished)
            raise
        self._record("file", name, relative)

    def flush(self, timeout_seconds=300):
        """Nothing to do: everything is kept at once."""

    def _record(self, what, name, value):
        record(what, self._prefix + str(name), value)

    # -- children -------------------------------------------------------------------------------------------

    def child_run(self, name=None, run_id=None, outputs=None):
        """A run below this one: a context manager that completes it, or fails it when the block raises."""
        child_id = run_id or "%s_%s" % (self.id, os.urandom(4).hex())
        child = Run(self.experiment, child_id, self, "%s%s/" % (self._prefix, _plain_name(name or child_id)))
        child.name = name or child_id
        return child

    def complete(self, _set_status=True):
        self._end("Completed")

    def fail(self, error_details=None, error_code=None, _set_status=True):
        if error_details is not None:
            self._record("property", "error", str(error_details)[:10000])
        self._end("Failed")

    def cancel(self):
        self._end("Canceled")

    def get_status(self):
        return self._status

    def register_model(self, model_name, *_, **__):
        raise NotImplementedError(
            "PR2904 Run.register_model(%r): ParallelRun keeps no model registry yet; upload_file keeps the file with "
            "the run" % (model_name,)
        )

    def _end(self, status):
        self._status = status
        if self._prefix:  # the state of the run itself is not the script's to set
            self._record("property", "status", status)


def _run_of_environment(run_id):
    environment = os.environ.get
    workspace = _Named("Workspace", "local")
    experiment = _Named("Experiment", environment("AZUREML_EXPERIMENT_NAME") or "local", workspace=workspace)
    root_id = environment("AZUREML_ROOT_RUN_ID")
    # The pipeline's run; of a job without a pipeline around it, the run itself.
    parent = Run(experiment, root_id) if root_id else None
    return Run(experiment, run_id, parent)


def _run_folder():
    root, run_id = os.environ.get("AZ_BATCHAI_INPUT_AZUREML"), os.environ.get("AZUREML_RUN_ID")
    return os.path.join(root, run_id) if root and run_id else os.getcwd()


def _plain_name(name):
    """A name that is one part of a path."""
    name = str(name).replace("/", "_").replace("\0", "_")
    return "_" + name if name in ("", ".", "..") else name


def _below_outputs(name):
    parts = [part for part in str(name).split("/") if part not in ("", ".")]
    if ".." in parts or str(name).startswith("/") or "\0" in str(name) or not parts:
        raise ValueError("upload_file(%r): the name must be a relative path without '..'" % (name,))
    return "/".join(parts if parts[0] == "outputs" and len(parts) > 1 else ["outputs"] + parts)


def _copy(source, target):
    if hasattr(source, "read"):
        with open(target, "xb") as file:
            shutil.copyfileobj(source, file)
    else:
        shutil.copyfile(source, target)


_real = RealModule(__name__, "run.py", getattr(sys.modules.get("azureml.core"), "__path__", []))


def __getattr__(name):
    return _real.attribute(name)
