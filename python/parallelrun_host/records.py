"""
What the stand-ins in `shims` want to know of the host: they find this module through `sys.modules`, and do without it
in processes that have no host.
"""
import os

#: Level for loggers of the helper classes, from the settings of the run.
logging_level = "INFO"
#: Index and try of the mini-batch that `run()` has now; None between two, and in `init()`.
current = None
#: The thread that has it, where others may be at other mini-batches; None: all threads of the process work for it.
current_thread = None
#: The worker itself, not a process that was forked of it.
pid = os.getpid()
