"""Read the source of a target without importing it."""

from __future__ import annotations

import ast
from configparser import ConfigParser
from configparser import Error as ParserError
from pathlib import Path

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.strategies.imports import targets


def file_of(target: str) -> Path | None:
    """The file of a module, or the `__init__.py` of a package; `None` if it has none. Nothing is imported."""
    spec = targets.find(target)
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None


def described(target: str, suffix: str, preset: str) -> tuple[Path, str]:
    """The file that describes a plugin, and the plugin's name. Some hosts look for such files, not for modules.

    Args:
        target: the plugin's module.
        suffix: the end of the file's name.
        preset: the name of the preset, for the message.

    Raises:
        UsageError: no such file beside the module names it.
    """
    file, module = file_of(target), target.rpartition(".")[2]
    for description in sorted(file.parent.glob(f"*{suffix}")) if file is not None else ():
        parser = ConfigParser()
        try:
            parser.read(description, encoding="utf-8")
            if parser.get("Core", "Module") == module:
                return description, parser.get("Core", "Name")
        except ParserError:  # it describes another plugin, or nothing
            continue
    raise UsageError(
        f"preset {preset!r}: there is no file *{suffix} with `Module = {module}` beside {target}"
    )


class Source:
    """The imports and definitions in the source of a module.

    Args:
        text: the source. One that cannot be parsed has neither.
    """

    def __init__(self, text: str) -> None:
        try:
            self._tree = ast.parse(text)
        except (SyntaxError, ValueError):
            self._tree = ast.Module(body=[], type_ignores=[])
        self._imported = frozenset(self._imports())

    @classmethod
    def of(cls, target: str) -> Source:
        """The source of a target; empty if it has no file, as a namespace package."""
        try:
            spec = targets.find(target)
            path = spec.origin if spec is not None and spec.has_location else None
            return cls(Path(path).read_text(encoding="utf-8") if path else "")
        except Exception:  # noqa: BLE001 - a foreign finder may raise anything, and a file may be unreadable
            return cls("")

    def _imports(self) -> list[str]:
        found = []
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Import):
                found += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        return found

    def imports(self, *modules: str) -> bool:
        """Whether it imports one of some modules, or something of one."""
        return any(
            name == module or name.startswith(f"{module}.") for name in self._imported for module in modules
        )

    def defines(self, *names: str) -> bool:
        """Whether it defines a function of one of some names at the top level."""
        return any(
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in names
            for node in self._tree.body
        )

    def assigns(self, *names: str) -> bool:
        """Whether it binds one of some names to a value at the top level: `Class = plugin.Class`."""
        return any(
            isinstance(target, ast.Name) and target.id in names
            for node in self._tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
        )

    def calls(self, *names: str) -> bool:
        """Whether it calls a function or method that has one of some names, anywhere."""
        functions = [node.func for node in ast.walk(self._tree) if isinstance(node, ast.Call)]
        return any(_last(one) in names for one in functions)

    def derives(self, *bases: str) -> bool:
        """Whether it derives a class from one that has one of some names: `class Lamp(errbot.BotPlugin)`."""
        return any(
            _last(base) in bases
            for node in self._tree.body
            if isinstance(node, ast.ClassDef)
            for base in node.bases
        )

    def takes(self, function: str, parameter: str) -> bool:
        """Whether it defines a top-level function whose first parameter has a name: `def setup(bot)`."""
        return any(
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and node.name == function
            and [argument.arg for argument in node.args.args[:1]] == [parameter]
            for node in self._tree.body
        )

    def assigned(self, *calls: str) -> list[str]:
        """The top-level names that are bound to a call of one of some functions: `app = flask.Flask(...)`."""
        found = []
        for node in self._tree.body:
            if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
                continue
            if _last(node.value.func) in calls:
                found += [target.id for target in node.targets if isinstance(target, ast.Name)]
        return found

    def strings(self, call: str) -> list[str]:
        """The first arguments of the calls of a function that are text: `HookimplMarker("host")`."""
        found = []
        for node in ast.walk(self._tree):
            if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
                continue
            if _last(node.func) == call and isinstance(node.args[0].value, str):
                found.append(node.args[0].value)
        return found

    def is_decorated(self, *decorators: str) -> bool:
        """Whether a top-level function has a decorator of one of some names: `task`, `shared_task`, `app.task`."""
        functions = (n for n in self._tree.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)))
        found = [d.func if isinstance(d, ast.Call) else d for f in functions for d in f.decorator_list]
        return any(name in (_last(one), ast.unparse(one)) for one in found for name in decorators)


def _last(function: ast.expr) -> str:
    """The last part of a dotted name; empty for another expression."""
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
