"""
The helper class for entry scripts: a logger that writes to `logs/user/<ip>/Process-<n>.txt` of the run, and the places
a script wants to know. Behind both `entry_script` and `azureml_user.parallel_run`.
"""
import logging
import os
import socket
import threading
import time
from multiprocessing import current_process

from _parallelrun_shim import logging_level as level_of_run

_FORMAT = "%(asctime)s|%(name)s|%(levelname)s|%(process)d|%(thread)d|%(funcName)s()|%(message)s"
_lock = threading.Lock()


class EntryScript:
    """One per process, however often it is constructed; may be pickled into child processes."""

    _instance = None

    def __new__(cls, logging_level=None):
        with _lock:
            if cls._instance is None:
                instance = super().__new__(cls)
                instance._level = None
                instance._logger = None
                instance._handler = None
                instance._pid = None
                cls._instance = instance
            return cls._instance

    def __init__(self, logging_level=None):
        if logging_level is not None:
            self._level = logging_level.upper() if isinstance(logging_level, str) else logging_level
            if self._logger is not None:
                self._logger.setLevel(self._level)

    def __reduce__(self):
        return (EntryScript, (self._level,))

    @property
    def logger(self):
        """Writes time (UTC), name, level, process, thread, function and message, one file a process."""
        with _lock:
            if self._logger is None or self._pid != os.getpid():
                self._open_log()
            return self._logger

    @property
    def log_dir(self):
        """The `logs` folder of the run."""
        return _made(os.path.join(self.working_dir, "logs"))

    @property
    def output_dir(self):
        """Where the outputs of the script belong."""
        return _made(os.environ.get("AZUREML_BI_OUTPUT_PATH") or os.path.join(self.working_dir, "outputs"))

    @property
    def working_dir(self):
        """The folder of the run."""
        root, run_id = os.environ.get("AZ_BATCHAI_INPUT_AZUREML"), os.environ.get("AZUREML_RUN_ID")
        return os.path.join(root, run_id) if root and run_id else os.getcwd()

    @property
    def agent_name(self):
        """Name of the worker process, `Process-3`."""
        return current_process().name

    def _open_log(self):
        logger = logging.getLogger("EntryScript")
        if self._handler is not None:
            logger.removeHandler(self._handler)  # of the process this one was forked from
        address = os.environ.get("AZ_BATCHAI_WORKER_IP") or socket.gethostbyname(socket.gethostname())
        folder = _made(os.path.join(self.log_dir, "user", address))
        handler = logging.FileHandler(os.path.join(folder, self.agent_name + ".txt"), encoding="utf-8")
        formatter = logging.Formatter(_FORMAT)
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
        logger.addHandler(handler)
        logger.setLevel(self._level or level_of_run())
        self._handler, self._logger, self._pid = handler, logger, os.getpid()


def _made(folder):
    os.makedirs(folder, exist_ok=True)
    return folder
