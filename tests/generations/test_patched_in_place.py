"""Reloaders that replace code within old functions, or one decorated object alone: that is a generation as well."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cases import run

from pytest_reloadleak import Report, measure_reload
from pytest_reloadleak.generations.walk import functions_of, walk

ROUNDS = 4
HOST = """
kept = []
slot = [None]

class Proxy:
    def __init__(self, target):
        self._target = target
    def __call__(self, *args):
        return self._target(*args)

class Keeper(Proxy):
    def __init__(self, target):
        self._target = self._original = target

class Command:
    def __init__(self, callback):
        self.callback = callback
"""

BODIES = {
    "function": "def f(): return NUMBER",
    "method": "class C:\n    def m(self): return NUMBER",
    "property": "class C:\n    @property\n    def m(self): return NUMBER",
    "setter": "class C:\n    m = property()\n    @m.setter\n    def m(self, value): NUMBER",
    "static method": "class C:\n    @staticmethod\n    def m(): return NUMBER",
    "class method": "class C:\n    @classmethod\n    def m(cls): return NUMBER",
    "method of a class of a class": "class C:\n    class D:\n        class E:\n            def m(self): return NUMBER",
    "class method in a nested class": "class C:\n    class D:\n        @classmethod\n        def m(cls): return NUMBER",
    "cached property": (
        "import functools\nclass C:\n    @functools.cached_property\n    def m(self): return NUMBER"
    ),
    "cached function": "import functools\n@functools.lru_cache\ndef f(): return NUMBER",
    "cached static method": (
        "import functools\nclass C:\n    @staticmethod\n    @functools.lru_cache\n    def m(): return NUMBER"
    ),
    "partial method": (
        "import functools\nclass C:\n    def _m(self, n): return NUMBER\n"
        "    m = functools.partialmethod(_m, 1)\n    del _m"
    ),
    "wrapped by a decorator": (
        "import functools\ndef wrap(f):\n    @functools.wraps(f)\n    def inner(): return f()\n    return inner\n"
        "@wrap\ndef f(): return NUMBER\ndel wrap"
    ),
    "command": "import host\n@host.Command\ndef f(): return NUMBER",
    "cached command": "import functools, host\n@host.Command\n@functools.lru_cache\ndef f(): return NUMBER",
    "command in a table": "import host\nTABLE = {'a': [host.Command(lambda: NUMBER)]}",
    "closure": "def make():\n    n = 1\n    def f(): return n + NUMBER\n    return f\nf = make()\ndel make",
    "nested function": "def f():\n    def inner(): return NUMBER\n    return inner",
}


class Editor:
    """Writes the target anew for each round, with another number, so that all of its code that has one differs."""

    def __init__(self, directory: Path, body: str) -> None:
        self.directory, self.body, self.count = directory, body, 1000
        self.write()

    def write(self) -> str:
        """The next source."""
        self.count += 1
        source = self.body.replace("NUMBER", str(self.count))
        run.write(self.directory, {"plugin": source})
        return source


def patch(editor: Editor, functions: Callable[[str], list[types.FunctionType]] | None = None) -> None:
    """Replace the code of each function by that of the same name in the new source; all identities stay."""
    source = editor.write()
    code = compile(source, sys.modules["plugin"].__file__ or "", "exec")
    fresh = {c.co_qualname if hasattr(c, "co_qualname") else c.co_name: c for c in nested(code)}
    for function in (functions or functions_in)("plugin"):
        own = function.__code__
        name = own.co_qualname if hasattr(own, "co_qualname") else own.co_name
        function.__code__ = fresh[name]


def nested(code: types.CodeType) -> Iterator[types.CodeType]:
    """The code objects within a code object, at any depth."""
    for const in code.co_consts:
        if type(const) is types.CodeType:
            yield const
            yield from nested(const)


def functions_in(module: str) -> list[types.FunctionType]:
    """Every live function of a module, as jurigged finds them."""
    import gc

    namespace = vars(sys.modules[module])
    found = gc.get_referrers(namespace)
    return [o for o in found if type(o) is types.FunctionType and o.__globals__ is namespace]


def present_functions(module: str) -> list[types.FunctionType]:
    """The functions to which a module's names lead."""
    return walk(vars(sys.modules[module]), lambda name: name == module, is_deep=True).functions


def measured(directory: Path, body: str, reload: Callable[[Editor], None] = patch) -> Report:
    """Check a target with a reloader that edits it first."""
    run.write(directory, {"host": HOST})
    editor = Editor(directory, body)
    with run.importable(directory):
        importlib.import_module("plugin")
        return measure_reload("plugin", reload=lambda: reload(editor), rounds=ROUNDS)


@pytest.mark.parametrize("where", BODIES)
def test_code_that_is_replaced_within_old_functions_is_a_generation(where, tmp_path):
    """Wherever the function is, and nothing of it leaks: it is the present one."""
    report = measured(tmp_path, BODIES[where] + "\n")

    assert (report.outcome, report.error, report.findings) == ("clean", None, ())


@pytest.mark.parametrize("where", ["function", "method", "command"])
def test_a_patcher_that_does_nothing_is_found_out(where, tmp_path):
    """The source is another, the code is not."""
    report = measured(tmp_path, BODIES[where] + "\n", lambda editor: editor.write() and None)

    assert report.outcome == "error"
    assert report.error is not None
    assert "was not reloaded" in report.error


@pytest.mark.parametrize("where", ["function", "method"])
def test_what_was_registered_before_stays_the_present_code(where, tmp_path):
    """The host holds the function that is patched: it always runs the newest code."""
    register = {"function": "host.kept.append(f)", "method": "host.kept.append(C().m)"}[where]

    report = measured(tmp_path, f"import host\n{BODIES[where]}\n{register}\n")

    assert (report.outcome, report.findings) == ("clean", ())


@pytest.mark.parametrize("is_leaking", [True, False])
def test_a_patcher_that_executes_new_functions_too_may_leak(is_leaking, tmp_path):
    """It evaluates the whole source in the old namespace, and keeps the old functions with new code."""
    fill = "host.kept.append(lambda: NUMBER)" if is_leaking else "host.slot[0] = lambda: NUMBER"

    def reload(editor: Editor) -> None:
        namespace = vars(sys.modules["plugin"])
        old = namespace["f"]
        exec(compile(editor.write(), namespace["__file__"], "exec"), namespace)
        old.__code__ = namespace["f"].__code__
        namespace["f"] = old

    report = measured(tmp_path, f"import host\ndef f(): return NUMBER\n{fill}\n", reload)

    if is_leaking:
        (finding,) = report.findings
        assert (finding.kind, finding.growth) == ("retained-generation", "growing")
        assert finding.holder is not None
        assert finding.holder.path == "host.kept[*]"
    else:
        assert (report.outcome, report.findings) == ("clean", ())


def mixed(editor: Editor) -> None:
    """As IPython 9: the first reload executes the emptied module, and updates the old objects; later ones patch."""
    namespace = vars(sys.modules["plugin"])
    if editor.count > 1001:
        patch(editor, present_functions)
        return
    editor.write()
    old = dict(namespace)
    namespace.clear()
    namespace.update({name: old[name] for name in ("__name__", "__loader__")})
    importlib.reload(sys.modules["plugin"])
    for name, value in namespace.items():
        before = old.get(name)
        if type(value) is types.FunctionType and type(before) is types.FunctionType:
            before.__code__ = value.__code__
        elif type(value) is type and type(before) is type:
            for one, other in zip(functions_of(before), functions_of(value), strict=True):
                one.__code__ = other.__code__


@pytest.mark.parametrize("where", ["function", "method", "property", "static method", "class method"])
def test_an_original_that_was_patched_once_is_the_checks_own(where, tmp_path):
    """Only the check keeps the original objects, whose code is that of the first reload."""
    report = measured(tmp_path, BODIES[where] + "\n", mixed)

    assert (report.outcome, report.findings) == ("clean", ())


def test_an_original_that_was_patched_once_and_is_held_is_found(tmp_path):
    """The host's copy runs the code of the first reload for ever."""
    report = measured(tmp_path, "import host\ndef f(): return NUMBER\nhost.kept.append(f)\n", mixed)

    (finding,) = report.findings
    assert (finding.kind, finding.growth, finding.generations) == ("retained-generation", "bounded", (-1,))
    assert finding.holder is not None
    assert finding.holder.path == "host.kept[*]"


PROXIES = {
    "class": "class C:\n    def m(self): return NUMBER\n",
    "class of a class": "class C:\n    class D:\n        def m(self): return NUMBER\n",
    "function": "def f(): return NUMBER\n",
    "class without code": "class C: number = NUMBER\n",
}


@pytest.mark.parametrize("how", ["Proxy", "Keeper", "Proxy of a Proxy", "Proxy with the file's name"])
@pytest.mark.parametrize("what", PROXIES)
@pytest.mark.parametrize("is_leaking", [True, False])
def test_one_decorated_object_that_is_executed_anew(is_leaking, what, how, tmp_path):
    """The module stays, and so does the proxy that the decorator left; as reloadr does it.

    reloadr's own proxy keeps the definition that it was given for ever, to look for its source again. Where the source
    of a class has the decorator, what it executes is a proxy again.
    """
    decorator = f"@host.{how.partition(' ')[0]}\n"

    def reload(editor: Editor) -> None:
        host: Any = sys.modules["host"]
        namespace = vars(sys.modules["plugin"])
        proxy = next(value for value in namespace.values() if isinstance(value, host.Proxy))
        name = getattr(proxy._target, "_target", proxy._target).__name__
        local: dict[str, Any] = {}
        source = editor.write().replace("import host\n", "")
        source = source if how == "Proxy of a Proxy" else source.replace(decorator, "\n")
        file = namespace["__file__"] if how.endswith("name") else "<string>"
        exec(compile(source, file, "exec"), namespace, local)
        proxy._target = local[name]
        if is_leaking:
            host.kept.append(getattr(proxy._target, "_target", proxy._target))

    report = measured(tmp_path, f"import host\n{decorator}{PROXIES[what]}", reload)

    assert report.error is None
    if is_leaking:
        assert [(f.growth, f.holder and f.holder.path) for f in report.findings] == [
            ("growing", "host.kept[*]")
        ]
    else:
        assert (report.outcome, report.findings) == ("clean", ())


TRACERS = {
    "function": "def trace(frame, event, argument): return trace\n",
    "object": "class T:\n    def __call__(self, *event): return self\ntrace = T()\n",
    "method": "class T:\n    def trace(self, *event): return self.trace\ntrace = T().trace\n",
}


@pytest.mark.parametrize("how", ["reload", "reimport", "callable"])
@pytest.mark.parametrize("what", TRACERS)
@pytest.mark.parametrize("is_leaking", [True, False])
def test_a_trace_function_that_each_generation_overwrites(is_leaking, what, how, tmp_path):
    """Frames keep the trace function with which they began; those of the check are no leak."""
    fill = "host.kept.append(trace)" if is_leaking else "host.slot[0] = trace"
    run.write(
        tmp_path, {"host": HOST, "plugin": f"import host, sys\n{TRACERS[what]}{fill}\nsys.settrace(trace)\n"}
    )
    before = sys.gettrace()

    with run.importable(tmp_path):
        try:
            if how == "callable":
                importlib.import_module("plugin")
                report = measure_reload("plugin", reload=lambda: run.import_again("plugin"), rounds=ROUNDS)
            else:
                report = measure_reload("plugin", strategy=how, rounds=ROUNDS)
        finally:
            sys.settrace(before)

    if is_leaking:
        assert "growing" in {f.growth for f in report.findings}
        assert {f.holder.path.partition("[")[0] for f in report.findings if f.holder} == {"host.kept"}
    else:
        assert (report.outcome, report.findings) == ("clean", ())
