"""Stand-in for the `azureml` package: `azureml.core.Run`, and the submodules of a real one where it is installed."""
from _parallelrun_shim import extended_path

PROVIDED_BY_PARALLELRUN = True
__path__ = extended_path(__path__, "azureml")
