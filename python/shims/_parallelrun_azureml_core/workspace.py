"""Stand-in for `azureml.core.workspace`: there is none here, one can be passed around."""
import sys

from _parallelrun_shim import Local, NotLocal, RealModule


class Workspace(Local):
    """Every one is the same: local inputs, the local model registry, no service."""

    _hint = "a run of ParallelRun uses no Azure workspace; data comes as inputs of the job, secrets as environment variables"

    def __init__(self, subscription_id=None, resource_group=None, workspace_name=None, *_, **__):
        self.name = workspace_name or "local"
        self.subscription_id = subscription_id or "local"
        self.resource_group = resource_group or "local"
        self.location = "local"

    def __repr__(self):
        return "Workspace.create(name=%r, subscription_id=%r, resource_group=%r)" % (
            self.name, self.subscription_id, self.resource_group)

    @classmethod
    def from_config(cls, path=None, auth=None, **_):
        return cls()

    @classmethod
    def get(cls, name=None, auth=None, subscription_id=None, resource_group=None, **_):
        return cls(subscription_id, resource_group, name)

    @classmethod
    def create(cls, name=None, *_, **__):
        raise NotLocal("Workspace.create(%r)" % (name,), "Workspace.get(name) gives one to pass around")

    @property
    def datasets(self):
        from _parallelrun_data import inputs

        return inputs()

    @property
    def datastores(self):
        from azureml.core.datastore import Datastore

        return {name: Datastore(self, name) for name in self.datasets}

    @property
    def models(self):
        from azureml.core.model import Model

        return {model.name: model for model in reversed(Model.list(self, latest=True))}

    @property
    def experiments(self):
        return {}

    def get_default_datastore(self):
        from azureml.core.datastore import Datastore

        return Datastore(self, "workspaceblobstore")

    def get_default_keyvault(self):
        raise NotLocal("Workspace.get_default_keyvault", "give secrets as environment variables, and read os.environ")

    def get_details(self):
        return {"name": self.name, "location": self.location}

    def get_mlflow_tracking_uri(self, *_, **__):
        import os

        return os.environ.get("MLFLOW_TRACKING_URI", "")


_real = RealModule(__name__, "workspace.py", getattr(sys.modules.get("azureml.core"), "__path__", []))


def __getattr__(name):
    return _real.attribute(name)
