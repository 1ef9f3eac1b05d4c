"""
Stand-in for `azureml.core`: what scoring scripts use, without a service behind it. Every other name comes from a real
`azureml.core` where one is installed; with PARALLELRUN_REAL_AZUREML=1 all but `Run` do. Behind the real one stands what
needs no service: `Environment`, which other modules of the real one build upon.
"""
import importlib
import os

import _parallelrun_shim
from _parallelrun_shim import RealModule, extended_path, real_is_wanted

_local = os.path.join(os.path.dirname(os.path.abspath(_parallelrun_shim.__file__)), "_parallelrun_azureml_core")
_installed = extended_path(__path__, "azureml.core")
_behind = os.path.join(_local, "behind")
__path__ = _installed[:1] + ([] if real_is_wanted() else [_local]) + _installed[1:] + [_local, _behind]

from azureml.core.run import Run  # noqa: E402  after __path__, which finds it

_MODULES = {
    "Dataset": "dataset", "Datastore": "datastore", "Environment": "environment", "Experiment": "experiment",
    "Model": "model", "Workspace": "workspace",
}
__all__ = ["Run"] + sorted(_MODULES)
_real = RealModule(__name__, "__init__.py", __path__)


def __getattr__(name):
    module = _MODULES.get(name)
    if module is not None:
        return getattr(importlib.import_module("azureml.core." + module), name)
    if name in _MODULES.values():
        return importlib.import_module("azureml.core." + name)
    return _real.attribute(name)
