"""Inputs of the job for `Dataset`, `Datastore` and `Run.input_datasets`: paths on this machine, under their names."""
import os
import shutil
from difflib import get_close_matches

from _parallelrun_shim import NotLocal, azure_error, map_of


class InputDataset(str):
    """An input of the job. It is its path, for scripts that got one from the SDK, and has what a dataset has."""

    def __new__(cls, name, path):
        made = super().__new__(cls, path)
        made.name = name
        return made

    def __getnewargs__(self):
        return (self.name, str(self))

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            "PR2904 a dataset has no %s here; it is the path %s of the input %r, with: path, name, to_path, download, mount, "
            "as_mount, as_download, as_named_input, to_pandas_dataframe" % (name, str(self), self.__dict__.get("name")))

    @property
    def path(self):
        return str(self)

    @property
    def mount_point(self):
        return str(self)

    def as_mount(self, path_on_compute=None):
        return self

    def as_download(self, path_on_compute=None):
        return self

    def as_direct(self):
        return self

    def as_named_input(self, name):
        return self

    def mount(self, mount_point=None, **_):
        """A context manager, as the SDK's: what it gives has `mount_point`."""
        return self

    def start(self):
        """It is here already."""

    def stop(self):
        """It stays."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def to_path(self):
        """Paths of the files, relative to the dataset, with a slash in front."""
        return ["/" + os.path.relpath(file, self._folder()).replace(os.sep, "/") for file in self._files()]

    def download(self, target_path=None, overwrite=False, **_):
        """-> paths of the files; without a target those of the input itself, nothing is copied then."""
        if target_path is None:
            return self._files()
        copied = []
        for file in self._files():
            target = os.path.join(os.path.abspath(target_path), os.path.relpath(file, self._folder()))
            if os.path.exists(target) and not overwrite:
                raise FileExistsError("%s exists; overwrite=True replaces it" % target)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(file, target)
            copied.append(target)
        return copied

    def to_pandas_dataframe(self, *_, **__):
        """The rows of all files, by what the names of the files end in."""
        import pandas

        readers = {
            ".csv": pandas.read_csv, ".tsv": lambda file: pandas.read_csv(file, sep="\t"), ".parquet": pandas.read_parquet,
            ".jsonl": lambda file: pandas.read_json(file, lines=True),
        }
        frames = []
        for file in self._files():
            reader = readers.get(os.path.splitext(file)[1].lower())
            if reader is None:
                raise NotLocal("to_pandas_dataframe of %s" % file, "read the file itself, its path is the dataset's path")
            frames.append(reader(file))
        if not frames:
            return pandas.DataFrame()
        return frames[0] if len(frames) == 1 else pandas.concat(frames, ignore_index=True)

    def _folder(self):
        return str(self) if os.path.isdir(self) else os.path.dirname(self)

    def _files(self):
        if not os.path.isdir(self):
            return [str(self)]
        return [os.path.join(below, name) for below, folders, names in _walk(self) for name in sorted(names)]


def _walk(folder):
    for below, folders, names in os.walk(str(folder)):
        folders.sort()
        yield below, folders, names


class Inputs(dict):
    """Names to datasets; one that isn't there is told with those that are."""

    def __missing__(self, name):
        raise KeyError(_missing("input", name, self))


def inputs():
    return Inputs((name, InputDataset(name, path)) for name, path in map_of("PARALLELRUN_INPUTS").items())


def input_called(kind, name):
    """The input of that name, for `Dataset.get_by_name` and `Datastore.get`."""
    there = inputs()
    if name in there:
        return there[name]
    raise azure_error(["UserErrorException"], _missing(kind, name, there))


def _missing(kind, name, there):
    near = get_close_matches(str(name), list(there), 1)
    return (
        "PR2910 there is no %s %r here: its place is taken by an input of the job with that name%s; the inputs are: %s. Add "
        "to the job  inputs: { %s: { type: uri_folder, path: ... } }" % (
            kind, name, "" if not near else " (did you mean %r?)" % near[0], ", ".join(sorted(there)) or "none", name))
