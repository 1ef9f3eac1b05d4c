"""
Stand-in for `azureml.core.run`: what a scoring script uses of `Run`. Metrics, tags, properties, files and child runs are
kept with the run of ParallelRun; nothing is sent anywhere.
"""
import os
import re
import sys

from _parallelrun_records import add, fact, facts, files_folder, keep, keeps_file, plain_name
from _parallelrun_shim import Local, NotLocal, RealModule, azure_error, real_is_wanted, run_folder

_CHILD_ID = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$")


class Run(Local):
    """One run. `Run.get_context()` gives the run this process works for; `child_run` makes one below it."""

    _current = None

    def __init__(self, experiment=None, run_id=None, outputs=None, **_):
        self.id = run_id
        self.name = run_id
        self.parent = None
        self.experiment = experiment
        self._state = "Running"
        self._is_child = False

    def __repr__(self):
        return "Run(id=%r)" % self.id

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if self._is_child and self._state == "Running":
            if kind is None:
                self.complete()
            else:
                self.fail(error_details="%s: %s" % (kind.__name__, error))
        return False

    @classmethod
    def get_context(cls, allow_offline=True, used_for_context_manager=False, **_):
        """The run of this process. Outside of a run: an offline one, or RuntimeError without `allow_offline`."""
        run_id = os.environ.get("AZUREML_RUN_ID")
        if not run_id and not allow_offline:
            raise azure_error(["RunEnvironmentException"], _NO_RUN) if _raises_theirs() else RuntimeError(_NO_RUN)
        current = Run._current
        if current is None or (run_id and current.id != run_id):
            current = Run._current = _run_of_environment(run_id)
        return current

    @classmethod
    def get(cls, workspace, run_id):
        """The run of this process, by its id."""
        current = cls.get_context()
        if run_id != current.id:
            raise NotLocal("Run.get(%r)" % (run_id,), "only the run itself, %s, is here" % current.id)
        return current

    @classmethod
    def start_logging(cls, experiment=None, name=None, outputs=None, **_):
        """A child of the run of this process, as `Experiment.start_logging` gives it."""
        return cls.get_context().child_run(name)

    @property
    def number(self):
        return 1

    @property
    def type(self):
        return "azureml.parallelrun"

    @property
    def status(self):
        return self._state

    # -- metrics --------------------------------------------------------------------------------------------

    def log(self, name, value, description="", step=None):
        add(fact("metric", self.id, name, value, step=step, description=description or None))

    def log_list(self, name, value, description=""):
        add(fact("list", self.id, name, list(value), description=description or None))

    def log_row(self, name, description=None, **kwargs):
        add(fact("row", self.id, name, kwargs, description=description))

    def log_table(self, name, value, description=""):
        add(fact("table", self.id, name, value, description=description or None))

    def log_image(self, name, path=None, plot=None, description=""):
        raise NotLocal("Run.log_image(%r)" % (name,), "save the picture and keep it by upload_file(name, path)")

    def get_metrics(self, name=None, recursive=False, run_type=None, populate=False):
        """What was logged for this run by all its processes: a value, or all of them where there are several."""
        values = {}
        for made in facts(self.id):
            key, value = made.get("name"), made.get("value")
            if made.get("kind") in ("row", "table") and isinstance(value, dict):
                columns = values.setdefault(key, {})
                if isinstance(columns, dict):
                    for column, cell in value.items():
                        columns.setdefault(column, []).extend(cell if isinstance(cell, list) else [cell])
            elif made.get("kind") == "list":
                values.setdefault(key, []).append(value)
            elif made.get("kind") == "metric":
                values.setdefault(key, []).append(value)
        return {key: _single(value) for key, value in values.items() if name is None or key == name}

    # -- tags and properties ----------------------------------------------------------------------------------

    def add_properties(self, properties):
        for key, value in properties.items():
            add(fact("property", self.id, key, _text(value)))

    def tag(self, key, value=None):
        add(fact("tag", self.id, key, _text(value)))

    def set_tags(self, tags):
        for key, value in tags.items():
            self.tag(key, value)

    def remove_tags(self, tags):
        raise NotLocal("Run.remove_tags", "set the tag to another value")

    def get_tags(self):
        return self._last("tag")

    def get_properties(self):
        return self._last("property")

    tags = property(get_tags)
    properties = property(get_properties)

    def _last(self, kind):
        return {made["name"]: made.get("value") for made in facts(self.id) if made.get("kind") == kind and "name" in made}

    # -- files ------------------------------------------------------------------------------------------------

    def upload_file(self, name, path_or_stream, datastore_name=None):
        """Keeps a file with the run, under `files/` of its folder. Two of the same name: the last one wins."""
        self._keep(plain_name(name), path_or_stream)

    def upload_files(self, names, paths, return_artifacts=False, timeout_seconds=None, datastore_name=None):
        if len(names) != len(paths):
            raise ValueError("PR2908 upload_files: %d names for %d paths" % (len(names), len(paths)))
        for name, path in zip(names, paths):
            self.upload_file(name, path)

    def upload_folder(self, name, path, datastore_name=None):
        """Every file below `path`, under `name/`."""
        path = os.fspath(path)
        if not os.path.isdir(path):
            raise NotADirectoryError("upload_folder(%r): there is no folder %r" % (name, path))
        prefix = plain_name(name) if str(name) not in ("", ".") else []
        for below, folders, names in os.walk(path):
            folders.sort()
            for one in sorted(names):
                file = os.path.join(below, one)
                self._keep(prefix + plain_name(os.path.relpath(file, path)), file)

    def _keep(self, parts, source):
        folder = files_folder(self.id)
        name = "/".join(parts)
        if folder is None:
            if not hasattr(source, "read"):
                source = os.path.abspath(source)
                os.stat(source)
            return add(fact("file", self.id, name, None if hasattr(source, "read") else source))
        if not keeps_file(name, self.id, _size_of(source)):
            return None
        size = keep(source, os.path.join(folder, *parts))
        return add(fact("file", self.id, name, size))

    def get_file_names(self):
        """Names of the files that were kept with this run."""
        folder = files_folder(self.id)
        if folder is None:
            return sorted({made["name"] for made in facts(self.id) if made["kind"] == "file"})
        found = []
        for below, _, names in os.walk(folder):
            found.extend(os.path.relpath(os.path.join(below, one), folder).replace(os.sep, "/")
                         for one in names if not one.endswith(".tmp"))
        return sorted(found)

    def download_file(self, name, output_file_path=None, _validate_checksum=False):
        """Copies a file that was kept with this run. -> nothing, as in the SDK"""
        source = self._kept(name)
        target = output_file_path or "/".join(plain_name(name))
        if os.path.isdir(target) or str(target).endswith("/"):
            target = os.path.join(target, os.path.basename(source))
        keep(source, os.path.abspath(target))

    def download_files(self, prefix=None, output_directory=None, output_paths=None, batch_size=100, append_prefix=True,
                       timeout_seconds=None):
        names = [name for name in self.get_file_names() if prefix is None or name.startswith(prefix)]
        for place, name in enumerate(names):
            target = output_paths[place] if output_paths else os.path.join(output_directory or ".", *name.split("/"))
            keep(self._kept(name), os.path.abspath(target))

    def _kept(self, name):
        folder = files_folder(self.id)
        parts = plain_name(name)
        if folder is None:
            paths = [made["value"] for made in facts(self.id) if made["kind"] == "file" and made["name"] == "/".join(parts)]
            file = paths[-1] if paths and paths[-1] else None
        else:
            file = os.path.join(folder, *parts)
        if file is None or not os.path.isfile(file):
            names = self.get_file_names()
            raise azure_error(["UserErrorException"], "PR2909 the run %s has no file %r; it has: %s" % (
                self.id, name, ", ".join(names[:20]) or "none"))
        return file

    def flush(self, timeout_seconds=300):
        """Nothing to do: everything is kept at once."""

    # -- children -----------------------------------------------------------------------------------------------

    def child_run(self, name=None, run_id=None, outputs=None):
        """A run below this one: a context manager that completes it, or fails it when the block raises."""
        child_id = str(run_id) if run_id is not None else "%s_%s" % (self.id, os.urandom(4).hex())
        if not _CHILD_ID.match(child_id):
            raise ValueError("PR2908 %r is no id for a child run: letters, digits, '_', '-' and '.'" % (run_id,))
        child = type(self)._child(self, child_id, child_id if name is None else str(name))
        add(fact("child", child_id, child.name, self.id))
        return child

    def create_children(self, count=None, tag_key=None, tag_values=None):
        children = [self.child_run() for _ in range(count if tag_values is None else len(tag_values))]
        for child, value in zip(children, tag_values or ()):
            child.tag(tag_key, value)
        return children

    @classmethod
    def _child(cls, parent, child_id, name):
        child = cls(parent.experiment, child_id)
        child.name, child.parent, child._is_child = name, parent, True
        return child

    def complete(self, _set_status=True):
        """Ends a child run. The run itself is ended by ParallelRun, when every mini-batch is done."""
        if self._is_child:
            self._end("Completed")

    def fail(self, error_details=None, error_code=None, _set_status=True):
        """Ends a child run as failed."""
        text = None if error_details is None else str(error_details)[:10000]
        if not self._is_child:
            raise NotLocal("Run.fail(%s)" % (text or ""), "raise an exception in run() or init(); only child runs have an "
                           "end that the script sets")
        self._end("Failed", text)

    def cancel(self):
        """Ends a child run as canceled."""
        if not self._is_child:
            raise NotLocal("Run.cancel", "parallelrun cancel %s ends the run" % self.id)
        self._end("Canceled")

    def _end(self, state, error=None):
        self._state = state
        add(fact("child-end", self.id, state=state, error=error))

    # -- what a run is ------------------------------------------------------------------------------------------

    def get_status(self):
        return self._state

    def get_details(self):
        return {
            "runId": self.id, "target": "local", "status": self._state, "properties": self.get_properties(),
            "inputDatasets": [], "outputDatasets": [], "logFiles": {},
        }

    def get_portal_url(self):
        folder = run_folder()
        return "" if folder is None else "file://" + folder

    def wait_for_completion(self, *_, **__):
        raise NotLocal("Run.wait_for_completion", "parallelrun status %s shows the run" % self.id)

    def get_secret(self, name):
        raise NotLocal("Run.get_secret(%r)" % (name,), "give the secret as an environment variable, and read os.environ")

    @property
    def input_datasets(self):
        """Inputs of the job by name: each is its path, with what a dataset has besides."""
        from _parallelrun_data import inputs

        return inputs()

    def register_model(self, model_name, model_path=None, tags=None, properties=None, model_framework=None,
                       model_framework_version=None, description=None, datasets=None, **_):
        """Puts a file or folder into the model registry: one that was uploaded to this run, or a local path."""
        if real_is_wanted():  # a model of the real one belongs to a workspace, which this run has none of
            from _parallelrun_azureml_core.model import Model
        else:
            from azureml.core.model import Model
        return Model._register_of_run(
            self, model_name, self._model_path(model_path or model_name), tags=tags, properties=properties,
            description=description)

    def _model_path(self, path):
        folder = files_folder(self.id)
        try:
            uploaded = folder and os.path.join(folder, *plain_name(path))
        except ValueError:
            uploaded = None
        outputs = os.environ.get("AZUREML_BI_OUTPUT_PATH")
        for one in (uploaded, path, outputs and os.path.join(outputs, path)):
            if one and os.path.exists(one):
                return one
        raise azure_error(["UserErrorException", "WebserviceException"],
                          "PR2909 register_model: there is no %r among the files of the run %s, nor as a local path; "
                          "upload_file or upload_folder comes first" % (path, self.id))


def _size_of(source):
    """Bytes of a file or stream, as far as that can be told beforehand."""
    if not hasattr(source, "read"):
        return os.stat(source).st_size
    try:
        at = source.tell()
        end = source.seek(0, 2)
        source.seek(at)
        return max(end - at, 0)
    except Exception:
        return 0


class _OfflineRun(Run):
    """A run outside of ParallelRun, `python score.py` by hand: it prints what it is told."""


_NO_RUN = "there is no run here: AZUREML_RUN_ID is not set"


def _raises_theirs():
    return hasattr(sys.modules.get("azureml.exceptions"), "RunEnvironmentException")


def _run_of_environment(run_id):
    if real_is_wanted():  # theirs would speak to their service
        from _parallelrun_azureml_core.experiment import Experiment
        from _parallelrun_azureml_core.workspace import Workspace
    else:
        from azureml.core.experiment import Experiment
        from azureml.core.workspace import Workspace
    environment = os.environ.get
    experiment = Experiment(Workspace(), environment("AZUREML_EXPERIMENT_NAME") or "local")
    if not run_id:
        return _OfflineRun(experiment, "OfflineRun_" + os.urandom(8).hex())
    run = Run(experiment, run_id)
    root_id = environment("AZUREML_ROOT_RUN_ID")
    if root_id:  # the pipeline's run; of a job without a pipeline around it, the run itself
        run.parent = Run(experiment, root_id)
    return run


def _single(value):
    if isinstance(value, dict):
        return {key: cells[0] if len(cells) == 1 else cells for key, cells in value.items()}
    return value[0] if len(value) == 1 else value


def _text(value):
    return None if value is None else str(value)


_real = RealModule(__name__, "run.py", getattr(sys.modules.get("azureml.core"), "__path__", []))


def __getattr__(name):
    return _real.attribute(name)
