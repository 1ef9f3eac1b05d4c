"""Loads the entry script as a module and finds `init`, `run` and `shutdown` in it."""
import importlib
import importlib.util
import inspect
import linecache
import os
import sys
from types import FunctionType

from .facts import stack_frame


class NoRunFunction(Exception):
    """The module has no function `run`; `defined` names those it has."""

    def __init__(self, file, defined):
        super().__init__()
        self.file = file
        self.defined = defined


class WrongArguments(Exception):
    """`run` cannot be called with a mini-batch; `frame` is where it is defined."""

    def __init__(self, message, frame):
        super().__init__(message)
        self.frame = frame


class EntryScript:
    """A loaded script. `init` and `shutdown` do nothing where it has none."""

    def __init__(self, module, script, code):
        namespace = vars(module)
        run = namespace.get("run")
        if not callable(run):
            file, _ = code.locate(script)
            raise NoRunFunction(file, _functions(module))
        self._settle(namespace, run, script, code)
        self.takes_context = _takes_context(run, self.definition)

    def _settle(self, namespace, run, script, code):
        self.run = run
        self.init = _function_or_nothing(namespace.get("init"))
        self.shutdown = _function_or_nothing(namespace.get("shutdown"))
        self.definition = _definition(run, script, code)


def import_script(module_name, script):
    """The module of the entry script; whatever its import raises. A name that something else holds is no obstacle."""
    if module_name not in sys.modules:
        module = importlib.import_module(module_name)
        if _same_file(getattr(module, "__file__", None), script):
            return module
    # a script called like a module that is in use (`json.py`): loaded by its path, beside that module
    spec = importlib.util.spec_from_file_location(module_name, script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _same_file(file, script):
    try:
        return file is not None and os.path.samefile(file, script)
    except OSError:
        return False


def _function_or_nothing(value):
    return value if callable(value) else lambda: None


def _functions(module):
    name = module.__name__
    return sorted(
        key for key, value in vars(module).items() if isinstance(value, FunctionType) and value.__module__ == name
    )


def _definition(run, script, code):
    """The line of `def run`, as a stack frame."""
    try:
        inner = inspect.unwrap(run)
        place = getattr(inner, "__code__", None)
        if place is None:
            return stack_frame(code, script, 1, "run")
        line = place.co_firstlineno
        for number in range(line, line + 50):  # decorators stand above
            text = linecache.getline(place.co_filename, number)
            if text.lstrip().startswith(("def ", "async def ")):
                return stack_frame(code, place.co_filename, number, inner.__name__, text)
        return stack_frame(code, place.co_filename, line, inner.__name__)
    except Exception:
        return stack_frame(code, script, 1, "run")


def _takes_context(run, definition):
    """
    True where `run` has a second positional parameter for the context: a required one, one that defaults to None, or
    one named like it. An option of the script's own, `run(mini_batch, threshold=0.5)`, must not be overwritten.
    """
    try:
        signature = inspect.signature(run)
    except (ValueError, TypeError):
        return False
    positional = [
        parameter
        for parameter in signature.parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    takes = False
    if len(positional) >= 2:
        second = positional[1]
        name = second.name.lower()
        takes = second.default in (inspect.Parameter.empty, None) or "context" in name or "ctx" in name
    arguments = (1, 2) if takes else (1,)
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise WrongArguments(
            "run%s cannot be called with a mini-batch (%s); write run(mini_batch) or run(mini_batch, "
            "mini_batch_context)" % (signature, error),
            definition,
        ) from None
    return takes
