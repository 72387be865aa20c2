"""The architecture as a test: which module may import, write and call what.

Every rule reads syntax trees, so it sees imports inside of functions and under `TYPE_CHECKING` too. Every rule is
also shown a source that breaks it, since a rule that cannot fail proves nothing.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

import pytest_reloadleak

PACKAGE = "pytest_reloadleak"

# Lowest first. A module imports from the rows below its own and, in a sub-package, from its siblings.
ROWS = (
    "model",
    "errors",
    "settings",
    "known",
    "signature",
    "heap",
    "effects",
    "strategies",
    "sites",
    "surroundings",
    "looking",
    "reloading",
    "rounds",
    "arguments",
    "growth",
    "judge",
    "report",  # pure functions of the model; below `check`, whose error carries the rendered report
    "performer",
    "canary",
    "check",
    "inside",
    "worker",
    "integration",
    "plugin",
)

# Each runs code of the object that it is given, or tells what that object claims instead of what it is. The objects
# of a heap belong to others; one place knows how to ask them without being hurt.
CALLS_INTO_FOREIGN_OBJECTS = {
    "getattr": "runs properties, `__getattr__` and `__getattribute__`",
    "hasattr": "runs what `getattr` does, and lets all but AttributeError through",
    "hash": "runs `__hash__`",
    "isinstance": "runs the property `__class__`, and `__instancecheck__`",
    "repr": "runs `__repr__`",
}
GUARDED = "heap.foreign"

WRITING_METHODS = {"__delitem__", "__setitem__", "clear", "pop", "popitem", "setdefault", "update"}


@dataclass(frozen=True)
class Module:
    """The source of one module of the package; `name` is without the package, and empty for its `__init__`."""

    name: str
    source: str
    is_package: bool = False

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @property
    def row(self) -> str:
        return self.name.partition(".")[0]

    def imports(self, tree: ast.AST | None = None) -> Iterator[tuple[int, str]]:
        """Yield the line and the dotted name of all that is imported, by statement or by `import_module`.

        `from a import b` yields `a.b`: only who reads it knows whether `b` is a module.
        """
        for node in ast.walk(tree or self.tree):
            match node:
                case ast.Import(names=names):
                    yield from ((node.lineno, alias.name) for alias in names)
                case ast.ImportFrom(module=module, names=names, level=level):
                    base = ".".join(filter(None, [self._origin(level), module]))
                    yield from ((node.lineno, f"{base}.{alias.name}") for alias in names)
                case ast.Call(
                    func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                    args=[ast.Constant(value=str(name)), *_],
                ):
                    yield node.lineno, name

    def _origin(self, level: int) -> str | None:
        """The package that a relative import of `level` dots starts from; `None` for an absolute one."""
        if not level:
            return None
        parts = [PACKAGE, *filter(None, self.name.split("."))]
        return ".".join(parts[: len(parts) - level + self.is_package])


Rule = Callable[[Module], Iterator[str]]


def lower_rows_only(module: Module) -> Iterator[str]:
    """A module imports only from the rows below its own, or from its own sub-package."""
    for line, name in module.imports():
        package, _, rest = name.partition(".")
        row = rest.partition(".")[0]
        if package != PACKAGE or not module.name:
            continue
        if row not in ROWS:
            yield f"line {line}: {name} is in no row"
        elif row != module.row and ROWS.index(row) > ROWS.index(module.row):
            yield f"line {line}: {name} is above {module.name}"


def lazy_package(module: Module) -> Iterator[str]:
    """Importing the package imports nothing: pytest does so in every run, whether something is checked or not."""
    if module.name:
        return
    for statement in module.tree.body:
        match statement:
            case ast.FunctionDef() | ast.If(test=ast.Name(id="TYPE_CHECKING")):
                continue
        for line, name in module.imports(statement):
            if name.partition(".")[0] not in {"__future__", "typing"}:
                yield f"line {line}: {name} is imported before anyone needs it"


def gc_in_heap_only(module: Module) -> Iterator[str]:
    """Only `heap` uses the collector, so what is collected and when is decided in one place."""
    if module.row != "heap":
        yield from imported(module, {"gc"})


def pytest_in_integration_only(module: Module) -> Iterator[str]:
    """Only `integration` and `plugin` know pytest; the engine runs without it."""
    if module.row not in {"integration", "plugin"}:
        yield from imported(module, {"pytest", "_pytest"})


def imported(module: Module, roots: set[str]) -> Iterator[str]:
    """Yield a line for each import of one of the top-level modules `roots`."""
    for line, name in module.imports():
        if name.partition(".")[0] in roots:
            yield f"line {line}: {name} is imported in {module.name or PACKAGE}"


def sys_modules_written_in_strategies_only(module: Module) -> Iterator[str]:
    """Only `strategies` writes `sys.modules`, so what they put there they can put back."""
    if module.row == "strategies":
        return
    sys_names, aliases = {"sys"}, set()

    def is_table(node: ast.expr | None) -> bool:
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr="modules"):
                return name in sys_names
            case ast.Name(id=name):
                return name in aliases
        return False

    for node in ast.walk(module.tree):
        match node:
            case ast.Import(names=names):
                sys_names |= {alias.asname for alias in names if alias.name == "sys" and alias.asname}
            case ast.ImportFrom(module="sys", names=names):
                aliases |= {alias.asname or alias.name for alias in names if alias.name == "modules"}
            case (
                ast.Assign(targets=[ast.Name(id=alias)], value=value)
                | ast.AnnAssign(target=ast.Name(id=alias), value=value)
                | ast.NamedExpr(target=ast.Name(id=alias), value=value)
            ) if is_table(value):
                aliases.add(alias)

    for node in ast.walk(module.tree):
        match node:
            case ast.Subscript(value=table, ctx=ast.Store() | ast.Del()) if is_table(table):
                yield f"line {node.lineno}: an entry of sys.modules is set or deleted"
            case ast.Attribute(ctx=ast.Store() | ast.Del()) if is_table(node):
                yield f"line {node.lineno}: sys.modules is replaced"
            case ast.AugAssign(target=ast.Name() as table) if is_table(table):
                yield f"line {node.lineno}: sys.modules is updated in place"
            case ast.Attribute(value=table, attr=method) if method in WRITING_METHODS and is_table(table):
                yield f"line {node.lineno}: sys.modules.{method}"


def foreign_objects_in_one_place(module: Module) -> Iterator[str]:
    """In `heap` and `effects`, only the guarded module calls what runs code of the objects of others."""
    if module.row not in {"heap", "effects"} or module.name == GUARDED:
        return
    for node in ast.walk(module.tree):
        match node:
            # The bare name counts as well: `map(repr, objects)` calls it all the same.
            case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="builtins"), attr=name):
                if name in CALLS_INTO_FOREIGN_OBJECTS:
                    yield f"line {node.lineno}: {name} {CALLS_INTO_FOREIGN_OBJECTS[name]}"
            case ast.FormattedValue(conversion=97 | 114):  # `!a` and `!r`
                yield f"line {node.lineno}: the conversion {CALLS_INTO_FOREIGN_OBJECTS['repr']}"
            case ast.MatchClass():
                yield f"line {node.lineno}: the class pattern {CALLS_INTO_FOREIGN_OBJECTS['isinstance']}"


def modules_of_the_package() -> list[Module]:
    """Return all modules of the package, as they are installed."""
    root = Path(pytest_reloadleak.__file__).parent
    modules = []
    for path in sorted(root.rglob("*.py")):
        parts = list(path.relative_to(root).with_suffix("").parts)
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        modules.append(Module(name, path.read_text(encoding="utf-8"), is_package))
    return modules


MODULES = modules_of_the_package()
RULES: tuple[Rule, ...] = (
    lower_rows_only,
    lazy_package,
    gc_in_heap_only,
    pytest_in_integration_only,
    sys_modules_written_in_strategies_only,
    foreign_objects_in_one_place,
)


BROKEN: tuple[tuple[Rule, Module], ...] = (
    (lower_rows_only, Module("model", "import pytest_reloadleak.errors")),
    (lower_rows_only, Module("heap.sweep", "from pytest_reloadleak.judge import judge")),
    (lower_rows_only, Module("heap.sweep", "from pytest_reloadleak import judge")),
    (lower_rows_only, Module("heap.sweep", "from ..judge import judge")),
    (lower_rows_only, Module("heap", "from ..judge import judge", is_package=True)),
    (lower_rows_only, Module("judge", "from .check import check_reload")),
    (lower_rows_only, Module("judge", "def late():\n    import pytest_reloadleak.check")),
    (
        lower_rows_only,
        Module("judge", "from importlib import import_module\nimport_module('pytest_reloadleak.check')"),
    ),
    (
        lower_rows_only,
        Module("judge", "if TYPE_CHECKING:\n    from pytest_reloadleak.check import check_reload"),
    ),
    (lower_rows_only, Module("report.jsonfile", "from pytest_reloadleak import check_reload")),
    (lower_rows_only, Module("report.json", "from pytest_reloadleak.elsewhere import thing")),
    (lazy_package, Module("", "from pytest_reloadleak.check import check_reload", is_package=True)),
    (lazy_package, Module("", "from .check import check_reload", is_package=True)),
    (lazy_package, Module("", "try:\n    import psutil\nexcept ImportError:\n    pass", is_package=True)),
    (gc_in_heap_only, Module("rounds", "import gc")),
    (gc_in_heap_only, Module("rounds", "def collect():\n    from gc import collect")),
    (gc_in_heap_only, Module("rounds", "__import__('gc').collect()")),
    (pytest_in_integration_only, Module("check", "import pytest")),
    (pytest_in_integration_only, Module("report.terminal", "from _pytest.terminal import TerminalReporter")),
    (sys_modules_written_in_strategies_only, Module("rounds", "import sys\nsys.modules['a'] = b")),
    (sys_modules_written_in_strategies_only, Module("rounds", "import sys\ndel sys.modules['a']")),
    (sys_modules_written_in_strategies_only, Module("rounds", "import sys\nsys.modules.pop('a', None)")),
    (sys_modules_written_in_strategies_only, Module("rounds", "import sys\nsys.modules |= {}")),
    (sys_modules_written_in_strategies_only, Module("rounds", "import sys\nsys.modules = {}")),
    (sys_modules_written_in_strategies_only, Module("rounds", "import sys as s\ns.modules.clear()")),
    (
        sys_modules_written_in_strategies_only,
        Module("rounds", "from sys import modules\nmodules.update(a=b)"),
    ),
    (
        sys_modules_written_in_strategies_only,
        Module("rounds", "import sys\nt = sys.modules\nt.setdefault('a', b)"),
    ),
    (sys_modules_written_in_strategies_only, Module("rounds", "from sys import modules\nmodules |= {}")),
    (foreign_objects_in_one_place, Module("heap.sweep", "repr(thing)")),
    (foreign_objects_in_one_place, Module("heap.sweep", "hash(thing)")),
    (foreign_objects_in_one_place, Module("effects.threads", "isinstance(thing, dict)")),
    (foreign_objects_in_one_place, Module("heap.sweep", "isinstance(thing, dict)")),
    (foreign_objects_in_one_place, Module("heap.sweep", "getattr(thing, 'name')")),
    (foreign_objects_in_one_place, Module("heap.sweep", "hasattr(thing, 'name')")),
    (foreign_objects_in_one_place, Module("heap.sweep", "import builtins\nbuiltins.repr(thing)")),
    (foreign_objects_in_one_place, Module("heap.sweep", "list(map(repr, things))")),
    (foreign_objects_in_one_place, Module("heap.sweep", "f'{thing!r}'")),
    (foreign_objects_in_one_place, Module("heap.sweep", "match thing:\n    case dict():\n        pass")),
)

KEPT: tuple[tuple[Rule, Module], ...] = (
    (lower_rows_only, Module("judge", "from pytest_reloadleak.model import Report")),
    (lower_rows_only, Module("heap.sweep", "from pytest_reloadleak.heap.foreign import type_name")),
    (lower_rows_only, Module("heap.sweep", "from .foreign import type_name")),
    (lower_rows_only, Module("heap", "from .foreign import type_name", is_package=True)),
    (lower_rows_only, Module("judge", "import json")),
    (lazy_package, Module("", "from typing import TYPE_CHECKING", is_package=True)),
    (lazy_package, Module("", "def late():\n    import pytest_reloadleak.check", is_package=True)),
    (
        lazy_package,
        Module("", "if TYPE_CHECKING:\n    from pytest_reloadleak.check import f", is_package=True),
    ),
    (gc_in_heap_only, Module("heap.sweep", "import gc")),
    (pytest_in_integration_only, Module("integration.items", "import pytest")),
    (pytest_in_integration_only, Module("plugin", "import pytest")),
    (pytest_in_integration_only, Module("check", "import pytest_reloadleak.model")),
    (
        sys_modules_written_in_strategies_only,
        Module("strategies.reimport", "import sys\ndel sys.modules['a']"),
    ),
    (
        sys_modules_written_in_strategies_only,
        Module("rounds", "import sys\nsys.modules.get(sys.modules['a'])"),
    ),
    (sys_modules_written_in_strategies_only, Module("rounds", "modules = unit.modules\nmodules.pop()")),
    (foreign_objects_in_one_place, Module("heap.foreign", "repr(thing)")),
    (foreign_objects_in_one_place, Module("heap.sweep", "type(thing) is dict\nf'{name}'")),
    (foreign_objects_in_one_place, Module("judge", "repr(name)")),
)


def name_of_case(value: object) -> str:
    """Return the rule's name, or the source in one line, as the name of a test's parameter."""
    return (
        " / ".join(value.source.splitlines()) if isinstance(value, Module) else getattr(value, "__name__", "")
    )


def test_every_module_has_a_row():
    """The rows name the whole package, and it has the places that the rules make exceptions for."""
    rows = {module.row for module in MODULES}

    assert rows <= {"", *ROWS}
    assert rows >= {"", "heap", "strategies", "integration", "plugin"}
    assert GUARDED in {module.name for module in MODULES}


@pytest.mark.parametrize("rule", RULES, ids=name_of_case)
def test_the_package_keeps_the_rule(rule):
    """No module breaks the rule that the rule's own docstring states."""
    assert [f"{module.name}, {found}" for module in MODULES for found in rule(module)] == []


@pytest.mark.parametrize(("rule", "module"), BROKEN, ids=name_of_case)
def test_a_source_that_breaks_the_rule_is_found(rule, module):
    """The rule can fail: it finds the one thing that is wrong with a bad source."""
    assert len(list(rule(module))) == 1


@pytest.mark.parametrize(("rule", "module"), KEPT, ids=name_of_case)
def test_a_source_that_keeps_the_rule_is_let_pass(rule, module):
    """The rule asks for no more than it says: the twin of a bad source passes."""
    assert list(rule(module)) == []


def test_every_rule_is_shown_to_fail_and_to_pass():
    """No rule is without its bad source and that one's twin."""
    assert {rule for rule, _ in BROKEN} == {rule for rule, _ in KEPT} == set(RULES)
