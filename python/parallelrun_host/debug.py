"""
A debugger for `replay --debug`: waits for one to attach and stops it at the first line of the script's `run`; or, post
mortem, a prompt at the place of an exception. Nothing of this is imported in an ordinary run.
"""
import importlib
import importlib.abc
import importlib.machinery
import os
import sys

DEBUGPY_MISSING = (
    "PR2903 debugpy is not installed for %s, and a debugger attaches through it. Install it there "
    "(%s -m pip install debugpy), or add it to the packages of the job"
)


def listen(port):
    """-> (debugpy, port it listens on, loopback only). Raises ModuleNotFoundError with what to do about it."""
    quiet = "PYDEVD_DISABLE_FILE_VALIDATION"
    before = os.environ.get(quiet)
    os.environ[quiet] = "1"
    try:
        debugpy = importlib.import_module("debugpy")
    except ModuleNotFoundError as error:
        if error.name != "debugpy":
            raise
        raise ModuleNotFoundError(DEBUGPY_MISSING % (sys.executable, sys.executable), name="debugpy") from None
    finally:
        if before is None:
            del os.environ[quiet]
    debugpy.configure(subProcess=False)
    _, listening = debugpy.listen(("127.0.0.1", port))
    return debugpy, listening


def stop_at_run(module_name, script):
    """From now on the entry module is loaded with a breakpoint in front of the first statement of `run`."""
    sys.meta_path.insert(0, _BreakpointFinder(module_name, script))


class _BreakpointFinder(importlib.abc.MetaPathFinder):
    def __init__(self, module_name, script):
        self._module_name = module_name
        self._script = script

    def find_spec(self, fullname, path=None, target=None):
        if fullname != self._module_name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None or not os.path.samefile(spec.origin, self._script):
            return spec
        spec.loader = _BreakpointLoader(fullname, spec.origin)
        return spec


class _BreakpointLoader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname):
        # never the cached bytecode, which has no breakpoint, and never into the cache
        path = self.get_filename(fullname)
        return compile(with_breakpoint(self.get_data(path), path), path, "exec", dont_inherit=True)


def with_breakpoint(source, path):
    """The syntax tree of the script; line numbers are those of the file."""
    import ast

    tree = ast.parse(source, path)
    for function in _run_functions(ast, tree.body):
        body = function.body
        first = 1 if len(body) > 1 and _is_docstring(ast, body[0]) else 0
        line = body[first].lineno
        statement = ast.parse("__import__('debugpy').breakpoint()").body[0]
        for node in ast.walk(statement):
            if hasattr(node, "lineno"):
                # the debugger halts at the next line that differs from that of the breakpoint
                node.lineno = node.end_lineno = line - 1 if line > 1 else line + 1
        body.insert(first, statement)
    return tree


def _run_functions(ast, statements):
    """Definitions of `run` at module level, also below `if` and `try`."""
    for statement in statements:
        if isinstance(statement, ast.FunctionDef):
            if statement.name == "run":
                yield statement
        elif not isinstance(statement, (ast.ClassDef, ast.AsyncFunctionDef)):
            for name in ("body", "orelse", "finalbody"):
                for found in _run_functions(ast, getattr(statement, name, [])):
                    yield found
            for handler in getattr(statement, "handlers", []):
                for found in _run_functions(ast, handler.body):
                    yield found


def _is_docstring(ast, statement):
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def post_mortem(error):
    """A prompt at the place of the exception, where somebody sits at a terminal; otherwise nothing."""
    try:
        if not sys.stdin.isatty():
            return
        importlib.import_module("pdb").post_mortem(error.__traceback__)
    except Exception as failed:
        print("no post mortem: %s: %s" % (type(failed).__name__, failed), file=sys.stderr)
