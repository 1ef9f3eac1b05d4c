"""
The Python worker host of ParallelRun: loads an entry script, calls `init()`, `run()`, `shutdown()`, and talks to the
agent over a private channel (`docs/protocol.md`). Standard library only, Python 3.8 or newer.

It lives in the user's process, so it trusts nothing there: it imports what it needs before user code, keeps its own
references to functions that scripts replace, and holds its descriptors where scripts don't write.
"""
