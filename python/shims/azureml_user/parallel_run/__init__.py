"""`from azureml_user.parallel_run import EntryScript`"""
from _parallelrun_entry_script import EntryScript

__all__ = ["EntryScript"]
