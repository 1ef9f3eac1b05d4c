"""Stand-in for `azureml.core.datastore`: a datastore is an input of the job with its name, a folder of this machine."""
import os
import shutil
import sys

from _parallelrun_shim import Local, NotLocal, RealModule


class Datastore(Local):
    """Can be passed around; its data is asked of the input of the same name."""

    _hint = "data comes as inputs of the job, and goes to its outputs"

    def __init__(self, workspace=None, name="workspaceblobstore", *_, **__):
        self.workspace = workspace
        self.name = name

    def __repr__(self):
        return "Datastore(name=%r)" % self.name

    @classmethod
    def get(cls, workspace, datastore_name):
        store = cls(workspace, datastore_name)
        store._root()  # one that isn't here is told now, as the SDK does
        return store

    @classmethod
    def get_default(cls, workspace):
        return cls(workspace)

    def path(self, path=None):
        """A path below it."""
        from _parallelrun_data import InputDataset

        root = str(self._root())
        return InputDataset(self.name, root if path is None else os.path.join(root, str(path).lstrip("/")))

    def download(self, target_path, prefix=None, overwrite=False, show_progress=True):
        """Copies the files whose path below it begins with `prefix`. -> their number"""
        root, copied = self._root(), 0
        for file in root._files():
            name = os.path.relpath(file, root._folder())
            if prefix is not None and not name.startswith(str(prefix).lstrip("/")):
                continue
            target = os.path.join(os.path.abspath(target_path), name)
            if os.path.exists(target) and not overwrite:
                continue
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(file, target)
            copied += 1
        return copied

    def upload(self, *_, **__):
        raise NotLocal("Datastore.upload", "write to an output of the job; its path comes as an argument, "
                       "${{outputs.name}}, or keep files with the run by upload_file")

    def upload_files(self, *_, **__):
        raise NotLocal("Datastore.upload_files", "write to an output of the job; its path comes as an argument, "
                       "${{outputs.name}}, or keep files with the run by upload_file")

    def _root(self):
        from _parallelrun_data import input_called

        return input_called("datastore", self.name)


_real = RealModule(__name__, "datastore.py", getattr(sys.modules.get("azureml.core"), "__path__", []))


def __getattr__(name):
    return _real.attribute(name)
