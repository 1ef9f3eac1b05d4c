"""Stand-in for `azureml.core.dataset`: registered datasets are inputs of the job."""
import sys

from _parallelrun_shim import Local, NotLocal, RealModule

_INSTEAD = "make it an input of the job; Dataset.get_by_name(workspace, name) finds it by the name of the input"


class _Factory(Local):
    """`Dataset.File` and `Dataset.Tabular`."""

    _hint = _INSTEAD

    def from_files(self, *_, **__):
        raise NotLocal("Dataset.File.from_files", _INSTEAD)

    def from_delimited_files(self, *_, **__):
        raise NotLocal("Dataset.Tabular.from_delimited_files", _INSTEAD)

    def from_parquet_files(self, *_, **__):
        raise NotLocal("Dataset.Tabular.from_parquet_files", _INSTEAD)

    def from_json_lines_files(self, *_, **__):
        raise NotLocal("Dataset.Tabular.from_json_lines_files", _INSTEAD)

    def from_sql_query(self, *_, **__):
        raise NotLocal("Dataset.Tabular.from_sql_query", "a query is an input of the job (query:)")


class Dataset(Local):
    _hint = _INSTEAD
    File = _Factory()
    Tabular = _Factory()

    @staticmethod
    def get_by_name(workspace, name, version="latest"):
        """The input of the job with that name: its path, with what a dataset has besides."""
        from _parallelrun_data import input_called

        return input_called("dataset", name)

    @staticmethod
    def get_by_id(workspace, id):  # noqa: A002  the SDK's name
        from _parallelrun_data import input_called

        return input_called("dataset", id)

    @staticmethod
    def get_all(workspace):
        from _parallelrun_data import inputs

        return inputs()


_real = RealModule(__name__, "dataset.py", getattr(sys.modules.get("azureml.core"), "__path__", []))


def __getattr__(name):
    return _real.attribute(name)
