"""Stand-in for `azureml.core`: `Run`; every other name comes from a real `azureml.core` where it is installed."""
from _parallelrun_shim import RealModule, extended_path

__path__ = extended_path(__path__, "azureml.core")

from azureml.core.run import Run  # noqa: E402  after __path__, which finds it

__all__ = ["Run"]
_real = RealModule(__name__, "__init__.py", __path__)


def __getattr__(name):
    return _real.attribute(name)
