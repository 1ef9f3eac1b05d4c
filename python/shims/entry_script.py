"""`from entry_script import EntryScript`; a module of that name in the user's code wins over this one."""
from _parallelrun_entry_script import EntryScript

__all__ = ["EntryScript"]
