"""Stand-in for `azureml.core.experiment`."""
import sys

from _parallelrun_shim import Local, NotLocal, RealModule


class Experiment(Local):
    """A name. Runs are started by `parallelrun run`; what a script starts is a child of its run."""

    _hint = "runs are started and listed by the parallelrun command"

    def __init__(self, workspace=None, name=None, *_, **__):
        self.workspace = workspace
        self.name = name
        self.id = name

    def __repr__(self):
        return "Experiment(name=%r)" % self.name

    def start_logging(self, *_, **options):
        """A child of the run of this process."""
        from azureml.core.run import Run

        return Run.get_context().child_run(options.get("display_name"))

    def submit(self, *_, **__):
        raise NotLocal("Experiment.submit", "a scoring script can't start another job; put it into the pipeline")

    def get_runs(self, *_, **__):
        raise NotLocal("Experiment.get_runs", "parallelrun list shows the runs")


_real = RealModule(__name__, "experiment.py", getattr(sys.modules.get("azureml.core"), "__path__", []))


def __getattr__(name):
    return _real.attribute(name)
