"""Stand-in for `azureml_user`: the helper class for entry scripts."""
from _parallelrun_shim import extended_path

__path__ = extended_path(__path__, "azureml_user")
