"""Stand-in for `azureml.core.environment`: the environment of a run is that of its job."""
import sys

from _parallelrun_shim import Local, NotLocal, RealModule


class Environment(Local):
    _hint = "the environment of a run is set in its job (environment:, --requirements, --python)"

    def __init__(self, name=None, **_):
        self.name = name
        self.version = None

    @staticmethod
    def get(workspace, name, version=None, label=None):
        raise NotLocal("Environment.get(%r)" % (name,), Environment._hint)


_real = RealModule(__name__, "environment.py", getattr(sys.modules.get("azureml.core"), "__path__", []))


def __getattr__(name):
    return _real.attribute(name)
