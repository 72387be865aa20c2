"""The architecture as a test: which module may import, write and call what.

Every rule reads syntax trees, so it sees imports inside of functions and under `TYPE_CHECKING` too. Every rule is
also shown a source that breaks it, since a rule that cannot fail proves nothing.
"""

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import pytest_reloadleak

PACKAGE = "pytest_reloadleak"
ROOT = Path(pytest_reloadleak.__file__).parent

# Lowest first. A module belongs to the longest entry that its name starts with. It imports from its own entry and from
# the entries above it in this table, which are the layers below it. A top-level module that is not here is an error.
LAYERS = (
    "model",
    "errors",
    "settings",
    "tether",
    "heap",
    "generations",
    "cures",
    "holders",
    "effects",  # what all probes share
    "effects.loops",
    "effects.registries",
    "effects.system",
    "effects.catalogue",
    "cutting",
    "strategies.imports",
    "strategies.dependencies",
    "strategies.strategy",  # what all strategies share
    "strategies.dispose",
    "strategies.workers",
    "strategies",
    "watchpoints",
    "growth",
    "run",
    "verdict",
    "gate",
    "report",  # below `check`, whose error carries the rendered report
    "check",
    "live",
    "presets.source",
    "presets.preset",
    "presets",
    "isolation",
    "integration",
    "command_line",
    "plugin",
    "__main__",  # reads the options from their definitions in `plugin`
)
MOST_LINES = 350
MOST_FILES = 16

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
    def layer(self) -> str | None:
        return layer_of(self.name)

    @property
    def wing(self) -> str:
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


def layer_of(name: str) -> str | None:
    """The longest entry of the table that a module's name starts with; `None` if there is none."""
    parts = name.split(".")
    prefixes = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((prefix for prefix in prefixes if prefix in LAYERS), None)


Rule = Callable[[Module], Iterator[str]]


def imports_go_down(module: Module) -> Iterator[str]:
    """A module imports only from its own layer and from the layers below it."""
    if not module.name:
        return
    if module.layer is None:
        yield f"{module.name} is in no layer"
        return
    for line, name in module.imports():
        package, _, rest = name.partition(".")
        if package != PACKAGE:
            continue
        layer = layer_of(rest)
        if layer is None:
            yield f"line {line}: {name} is in no layer"
        elif LAYERS.index(layer) > LAYERS.index(module.layer):
            yield f"line {line}: {name} is above {module.name}"


def files_are_short(module: Module) -> Iterator[str]:
    """A file has one concept, which fits in 350 lines."""
    lines = module.source.count("\n")
    if lines > MOST_LINES:
        yield f"{lines} lines"


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
    if module.wing != "heap":
        yield from imported(module, {"gc"})


def pytest_in_integration_only(module: Module) -> Iterator[str]:
    """Only `integration`, `plugin`, its options and the command know pytest; the engine runs without it."""
    if module.wing not in {"integration", "command_line", "plugin", "__main__"}:
        yield from imported(module, {"pytest", "_pytest"})


def imported(module: Module, roots: set[str]) -> Iterator[str]:
    """Yield a line for each import of one of the top-level modules `roots`."""
    for line, name in module.imports():
        if name.partition(".")[0] in roots:
            yield f"line {line}: {name} is imported in {module.name or PACKAGE}"


def sys_modules_written_in_strategies_only(module: Module) -> Iterator[str]:
    """Only `strategies` writes `sys.modules`, so what they put there they can put back."""
    if module.wing == "strategies":
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
    """Below `strategies`, only the guarded module calls what runs code of the objects of others."""
    if module.wing not in {"heap", "generations", "cures", "holders", "effects"} or module.name == GUARDED:
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
    modules = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        modules.append(Module(name, path.read_text(encoding="utf-8"), is_package))
    return modules


MODULES = modules_of_the_package()
RULES: tuple[Rule, ...] = (
    imports_go_down,
    files_are_short,
    lazy_package,
    gc_in_heap_only,
    pytest_in_integration_only,
    sys_modules_written_in_strategies_only,
    foreign_objects_in_one_place,
)


BROKEN: tuple[tuple[Rule, Module], ...] = (
    (imports_go_down, Module("model", "import pytest_reloadleak.errors")),
    (imports_go_down, Module("holders.sweep", "from pytest_reloadleak.verdict.judge import judge")),
    (imports_go_down, Module("holders.sweep", "from pytest_reloadleak import verdict")),
    (imports_go_down, Module("holders.sweep", "from ..verdict import judge")),
    (imports_go_down, Module("heap", "from ..verdict import judge", is_package=True)),
    (imports_go_down, Module("verdict.judge", "from ..check import check_reload")),
    (imports_go_down, Module("verdict.judge", "def late():\n    import pytest_reloadleak.check")),
    (
        imports_go_down,
        Module(
            "verdict.judge", "from importlib import import_module\nimport_module('pytest_reloadleak.check')"
        ),
    ),
    (
        imports_go_down,
        Module("verdict.judge", "if TYPE_CHECKING:\n    from pytest_reloadleak.check import check_reload"),
    ),
    (imports_go_down, Module("report.jsonfile", "from pytest_reloadleak import check_reload")),
    (imports_go_down, Module("report.json", "from pytest_reloadleak.elsewhere import thing")),
    (imports_go_down, Module("elsewhere", "import json")),
    (imports_go_down, Module("effects.probe", "from pytest_reloadleak.effects.system import threads")),
    (imports_go_down, Module("strategies.imports.unit", "from pytest_reloadleak.strategies import strategy")),
    (files_are_short, Module("heap.long", "a = 1\n" * (MOST_LINES + 1))),
    (lazy_package, Module("", "from pytest_reloadleak.check import check_reload", is_package=True)),
    (lazy_package, Module("", "from .check import check_reload", is_package=True)),
    (lazy_package, Module("", "try:\n    import psutil\nexcept ImportError:\n    pass", is_package=True)),
    (gc_in_heap_only, Module("run.rounds", "import gc")),
    (gc_in_heap_only, Module("run.rounds", "def collect():\n    from gc import collect")),
    (gc_in_heap_only, Module("run.rounds", "__import__('gc').collect()")),
    (pytest_in_integration_only, Module("check", "import pytest")),
    (pytest_in_integration_only, Module("report.terminal", "from _pytest.terminal import TerminalReporter")),
    (sys_modules_written_in_strategies_only, Module("run.rounds", "import sys\nsys.modules['a'] = b")),
    (sys_modules_written_in_strategies_only, Module("run.rounds", "import sys\ndel sys.modules['a']")),
    (sys_modules_written_in_strategies_only, Module("run.rounds", "import sys\nsys.modules.pop('a', None)")),
    (sys_modules_written_in_strategies_only, Module("run.rounds", "import sys\nsys.modules |= {}")),
    (sys_modules_written_in_strategies_only, Module("run.rounds", "import sys\nsys.modules = {}")),
    (sys_modules_written_in_strategies_only, Module("run.rounds", "import sys as s\ns.modules.clear()")),
    (
        sys_modules_written_in_strategies_only,
        Module("run.rounds", "from sys import modules\nmodules.update(a=b)"),
    ),
    (
        sys_modules_written_in_strategies_only,
        Module("run.rounds", "import sys\nt = sys.modules\nt.setdefault('a', b)"),
    ),
    (sys_modules_written_in_strategies_only, Module("run.rounds", "from sys import modules\nmodules |= {}")),
    (foreign_objects_in_one_place, Module("holders.sweep", "repr(thing)")),
    (foreign_objects_in_one_place, Module("holders.sweep", "hash(thing)")),
    (foreign_objects_in_one_place, Module("effects.threads", "isinstance(thing, dict)")),
    (foreign_objects_in_one_place, Module("holders.sweep", "isinstance(thing, dict)")),
    (foreign_objects_in_one_place, Module("holders.sweep", "getattr(thing, 'name')")),
    (foreign_objects_in_one_place, Module("holders.sweep", "hasattr(thing, 'name')")),
    (foreign_objects_in_one_place, Module("holders.sweep", "import builtins\nbuiltins.repr(thing)")),
    (foreign_objects_in_one_place, Module("holders.sweep", "list(map(repr, things))")),
    (foreign_objects_in_one_place, Module("holders.sweep", "f'{thing!r}'")),
    (foreign_objects_in_one_place, Module("holders.sweep", "match thing:\n    case dict():\n        pass")),
)

KEPT: tuple[tuple[Rule, Module], ...] = (
    (imports_go_down, Module("verdict.judge", "from pytest_reloadleak.model import Report")),
    (imports_go_down, Module("holders.sweep", "from pytest_reloadleak.heap.foreign import type_name")),
    (imports_go_down, Module("holders.sweep", "from .foreign import type_name")),
    (imports_go_down, Module("heap", "from .foreign import type_name", is_package=True)),
    (imports_go_down, Module("verdict.judge", "import json")),
    (imports_go_down, Module("effects.system.threads", "from pytest_reloadleak.effects import probe")),
    (files_are_short, Module("heap.short", "a = 1\n" * MOST_LINES)),
    (lazy_package, Module("", "from typing import TYPE_CHECKING", is_package=True)),
    (lazy_package, Module("", "def late():\n    import pytest_reloadleak.check", is_package=True)),
    (
        lazy_package,
        Module("", "if TYPE_CHECKING:\n    from pytest_reloadleak.check import f", is_package=True),
    ),
    (gc_in_heap_only, Module("heap.collector", "import gc")),
    (pytest_in_integration_only, Module("integration.items", "import pytest")),
    (pytest_in_integration_only, Module("plugin", "import pytest")),
    (pytest_in_integration_only, Module("check", "import pytest_reloadleak.model")),
    (
        sys_modules_written_in_strategies_only,
        Module("strategies.reimport", "import sys\ndel sys.modules['a']"),
    ),
    (
        sys_modules_written_in_strategies_only,
        Module("run.rounds", "import sys\nsys.modules.get(sys.modules['a'])"),
    ),
    (sys_modules_written_in_strategies_only, Module("run.rounds", "modules = unit.modules\nmodules.pop()")),
    (foreign_objects_in_one_place, Module("heap.foreign", "repr(thing)")),
    (foreign_objects_in_one_place, Module("holders.sweep", "type(thing) is dict\nf'{name}'")),
    (foreign_objects_in_one_place, Module("verdict.judge", "repr(name)")),
)


def name_of_case(value: object) -> str:
    """Return the rule's name, or the source in one line, as the name of a test's parameter."""
    return (
        " / ".join(value.source.splitlines()) if isinstance(value, Module) else getattr(value, "__name__", "")
    )


def test_the_table_names_what_is_there():
    """Every entry of the table exists, and so do the places that the rules make exceptions for."""
    names = {module.name for module in MODULES}

    assert [entry for entry in LAYERS if entry not in names] == []
    assert GUARDED in names


def test_no_folder_is_crowded():
    """At most 16 files a folder: a reader sees all of it at once."""
    folders = Counter(path.parent for path in ROOT.rglob("*") if path.is_file() and path.suffix != ".pyc")

    assert {str(folder): count for folder, count in folders.items() if count > MOST_FILES} == {}


def test_no_modules_import_each_other_in_a_circle():
    """The graph of imports, those inside of functions and for types included, has an order."""
    names = {module.name for module in MODULES}
    graph = {module.name: set(targets(module, names)) for module in MODULES if module.name}

    TopologicalSorter(graph).prepare()


def targets(module: Module, names: set[str]) -> Iterator[str]:
    """The modules of the package that a module imports."""
    for _, name in module.imports():
        package, _, rest = name.partition(".")
        if package == PACKAGE:
            found = next((n for n in (rest, rest.rpartition(".")[0]) if n in names and n), None)
            if found is not None and found != module.name:
                yield found


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
