"""Resolve the targets that the user named, without importing them, and refuse those that cannot be reloaded.

All answers come from the import system's own finders and specs, never from the file system. That is why zip files,
editable installs and rewritten modules all work.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from importlib.machinery import ModuleSpec

from pytest_reloadleak.errors import RefusedError, UsageError, did_you_mean
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.settings import TEST_FILES
from pytest_reloadleak.strategies.imports.definitions import Definition, definition_of, missing_path
from pytest_reloadleak.strategies.imports.unit import is_glob, module_names

PROCESS_WIDE = frozenset({
    "__main__", "_thread", "abc", "asyncio", "atexit", "builtins", "codecs", "concurrent", "contextvars", "copyreg",
    "encodings", "enum", "functools", "gc", "importlib", "io", "logging", "multiprocessing", "os", "re", "runpy",
    "signal", "site", "sys", "threading", "types", "typing", "warnings", "weakref", "zipimport",
})  # fmt: skip
"""Modules of the standard library that own process-wide state. A second copy splits it, and `isinstance`, `except` and
pickling no longer agree between the two (reload facts, E33 and E34)."""

_RUNNERS = frozenset({"pytest", "_pytest", "pluggy", "py", "iniconfig", "xdist", "execnet"})
_SELF = "pytest_reloadleak"
_DEPTH = 12
"""The largest number of package levels below a target: a link to a parent directory would never end."""
_IMPORT_SYSTEM = frozenset({"_frozen_importlib", "_frozen_importlib_external"})
"""The specs' names of `importlib._bootstrap` and its other half, which execute modules."""


def find(name: str) -> ModuleSpec | None:
    """The spec of a module, found without executing any code of unloaded parents; `None` if there is no such module."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        known = (foreign.module_dict(loaded) or {}).get("__spec__")
        if type(known) is ModuleSpec:
            return known
    path: Sequence[str] | None = None
    parent, _, _ = name.rpartition(".")
    if parent:
        path = search_locations(parent)
        if path is None:
            return None
    for finder in list(sys.meta_path):
        find_spec = getattr(finder, "find_spec", None)
        try:
            spec = find_spec(name, path) if find_spec is not None else None
        except (KeyError, ModuleNotFoundError):  # since 3.15 the latter
            spec = None if parent in sys.modules else _namespace(name, path or ())
            if spec is None:
                raise
        if isinstance(spec, ModuleSpec):
            return spec
    return None


def _namespace(name: str, path: Iterable[str]) -> ModuleSpec | None:
    """The spec of a namespace package in a package that is not loaded. The import system itself does not find it."""
    places: list[str] = []
    for place in path:
        finder = pkgutil.get_importer(place)
        part = finder.find_spec(name) if finder is not None else None
        if part is not None and part.loader is not None:
            return part
        places += (part.submodule_search_locations or ()) if part is not None else ()
    if not places:
        return None
    found = ModuleSpec(name, None, is_package=True)
    found.submodule_search_locations = places
    return found


def search_locations(package: str) -> list[str] | None:
    """The places to look for a package's submodules; `None` if it is not a package or does not exist."""
    loaded = sys.modules.get(package)
    path = (foreign.module_dict(loaded) or {}).get("__path__")
    if path is not None:
        return list(path)
    spec = find(package)
    if spec is None or spec.submodule_search_locations is None:
        return None
    return list(spec.submodule_search_locations)


def resolve(
    name: str,
    *,
    force: bool = False,
    plugins: Iterable[str] = (),
    test_files: Iterable[str] = TEST_FILES,
) -> list[str]:
    """The targets that a name or glob stands for.

    Args:
        name: a module, a package, or a glob of modules.
        force: accept targets that are refused by default, if they can be reloaded at all.
        plugins: modules of the registered pytest plugins, which are refused.
        test_files: patterns of the files that a glob leaves out, unless its own text names them.

    Returns:
        Module names in sorted order; a glob leaves out those that are refused, programs (`__main__`) and tests.

    Raises:
        RefusedError: everything that a glob matches is refused.
        UsageError: the target does not exist or is refused.
    """
    assert_name(name)
    name = name.strip()
    if not is_glob(name):
        if name.endswith(".py") or "/" in name:
            raise UsageError(
                f"target {name!r} looks like a file: name the module instead, such as 'package.module'"
            )
        _assert_one_name(name)
        reason = refusal(name, force=force, plugins=plugins)
        if reason is not None:
            raise UsageError(reason)
        return [name]
    _assert_one_name(name)
    found = sorted(n for n in _candidates(name) if fnmatchcase(n, name))
    matches = [n for n in found if not is_left_out(n, name, test_files)]
    accepted = [n for n in matches if refusal(n, force=force, plugins=plugins) is None]
    if not accepted:
        advice = _missing_path(name) or "check the pattern and that the package can be imported"
        if matches:
            raise RefusedError(
                f"target {name!r}: all matching modules ({len(matches)}) are refused; {advice}"
            )
        if found:
            raise RefusedError(
                f"target {name!r}: all matching modules ({len(found)}) are tests or programs (__main__), which a "
                "pattern leaves out; name them in full"
            )
        raise UsageError(f"target {name!r}: no module matches; {advice}")
    return accepted


def resolve_all(
    names: Iterable[str],
    *,
    force: bool = False,
    plugins: Iterable[str] = (),
    test_files: Iterable[str] = TEST_FILES,
) -> tuple[list[str], dict[str, str]]:
    """The targets that several names and globs stand for.

    Args:
        names: modules, packages and globs.
        force: as for `resolve`.
        plugins: as for `resolve`.
        test_files: as for `resolve`.

    Returns:
        Module names in order, each once, and the reason for each glob that matches only what is refused.

    Raises:
        UsageError: a target does not exist or is refused, or nothing is left.
    """
    found: dict[str, None] = {}
    refused: dict[str, str] = {}
    for name in names:
        try:
            mine = resolve(name, force=force, plugins=plugins, test_files=test_files)
            found.update(dict.fromkeys(mine))
        except RefusedError as error:  # noqa: PERF203 - each glob may be refused
            refused[name.strip()] = str(error)
    if refused and not found:
        raise UsageError(next(iter(refused.values())))
    return list(found), refused


def assert_name(name: object) -> None:
    """Raise `UsageError` unless a target is given as text."""
    if not isinstance(name, str) or not name.strip():
        raise UsageError(f"a target must be the name of a module, not {name!r}")


def _assert_one_name(name: str) -> None:
    """Raise `UsageError` for several names in one, or nothing between two dots, which no finder expects."""
    if len(names := [part for part in re.split(r"[\s,;]+", name) if part]) > 1:
        raise UsageError(
            f"unknown target {name!r}: these are {len(names)} names; write one a line in the ini file, and repeat "
            "--reload-leak-target on the command line"
        )
    if not all(name.split(".")):
        raise UsageError(
            f"unknown target {name!r}: the name has an empty part; write it in full, such as 'package.module'"
        )


def is_left_out(name: str, pattern: str, test_files: Iterable[str] = TEST_FILES) -> bool:
    """Whether a pattern leaves a module out: a program, a test or a `conftest`, unless the pattern names its kind.

    Args:
        name: the module, which matches the pattern.
        pattern: a glob; or a package, for its submodules.
        test_files: patterns of test files.
    """
    *above, last = name.split(".")
    asked = pattern.split(".")
    if last in {"__main__", "conftest"}:
        return asked[-1] != last
    folders = {"tests", "test"}.difference(asked)
    if not folders.isdisjoint([*above, last]):
        return True
    patterns = tuple(test_files)
    return _is_test(last, patterns) and not _is_test(asked[-1], patterns)


def _is_test(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(f"{name}.py", pattern) for pattern in patterns)


def search(name: str) -> bool:
    """Whether there is a module of this name, or a pattern."""
    return is_glob(name) or find(name) is not None


def submodules(
    package: str, *, plugins: Iterable[str] = (), test_files: Iterable[str] = TEST_FILES
) -> list[str]:
    """Names of the modules below a package that can be reloaded, without programs and tests; nothing is imported."""
    found = sorted(_below(package, depth=_DEPTH))
    mine = [name for name in found if not is_left_out(name, f"{package}.*", test_files)]
    return [name for name in mine if refusal(name, plugins=plugins) is None]


def _candidates(pattern: str) -> set[str]:
    """Modules that may match a glob: the loaded ones, and those below its part without wildcards."""
    names = set(module_names())
    stem = re.split(r"[*?\[]", pattern, maxsplit=1)[0].rpartition(".")[0]
    if stem:
        names |= {stem, *_below(stem, depth=pattern.count(".") + 4)}
    else:
        names |= {info.name for info in pkgutil.iter_modules()}
    return names


def _below(package: str, depth: int) -> set[str]:
    path = search_locations(package)
    if path is None or depth == 0:
        return set()
    out = set()
    for info in pkgutil.iter_modules(path):
        out.add(f"{package}.{info.name}")
        if info.ispkg:
            out |= _below(f"{package}.{info.name}", depth - 1)
    return out


def refusal(name: str, *, force: bool = False, plugins: Iterable[str] = ()) -> str | None:
    """Why a target cannot be checked, as one line that says what to do; `None` if it can."""
    top = name.replace(":", ".").partition(".")[0]
    if top == _SELF:
        return (
            f"target {name!r} is refused: pytest-reloadleak cannot reload itself; name a module of your own"
        )
    try:
        spec = find(name)
    except Exception as error:  # noqa: BLE001 - a foreign finder may raise anything; the refusal reports it
        return f"target {name!r} cannot be looked up: {type(error).__name__}: {error}"
    if spec is None and name not in sys.modules:
        found = _definition(name)
        if found is not None:
            verb = "unknown target {!r}:" if found.kind == "name" else "target {!r} is refused:"
            return (
                f"{verb.format(name)} it is a {found.kind} of {found.module!r}, and only whole modules are "
                f"reloaded; name {found.module!r}"
            )
        package = name.rpartition(".")[0]
        where = f"package {package!r}" if package and find(package) is not None else "sys.path"
        hint = did_you_mean(name, _siblings(name))
        advice = _missing_path(name) or f"{hint}check the spelling and where pytest is started"
        return f"unknown target {name!r}: no such module in {where}; {advice}"
    if spec is None:
        return (
            f"target {name!r} has no module spec, so imports cannot load it again; pass a callable as reload="
        )
    kind = _never_reloadable(spec)
    if kind is not None:
        return f"target {name!r} is refused: it is {kind}, which Python cannot execute again; name a module of your own"
    if force:
        return None
    hint = "use --reload-leak-force to check it anyway"
    if top in PROCESS_WIDE:
        return f"target {name!r} is refused: it owns process-wide state, which a copy would split; {hint}"
    if spec.origin == "frozen" or _is(spec.loader, importlib.machinery.FrozenImporter):
        return f"target {name!r} is refused: it is a frozen module, a part of the interpreter; {hint}"
    if top in _RUNNERS or any(name == plugin or plugin.startswith(f"{name}.") for plugin in plugins):
        return f"target {name!r} is refused: it is part of the running pytest or its plugins; {hint}"
    return None


def _missing_path(name: str) -> str | None:
    top = name.partition(".")[0]
    return None if not top.isidentifier() or find(top) is not None else missing_path(top)


def _siblings(name: str) -> set[str]:
    """Modules beside the one that a name would stand for."""
    package = name.rpartition(".")[0]
    try:
        return (
            _below(package, depth=1)
            if package
            else {*module_names(), *(i.name for i in pkgutil.iter_modules())}
        )
    except Exception:  # noqa: BLE001 - as in `_definition`; then nothing is offered
        return set()


def _definition(name: str) -> Definition | None:
    try:
        return definition_of(name, find)
    except Exception:  # noqa: BLE001 - a foreign finder or loader may raise anything, and a source need not parse
        return None


def _never_reloadable(spec: ModuleSpec) -> str | None:
    """The kind of a module that Python cannot execute again; `None` for any other module."""
    loader = spec.loader
    if spec.origin == "built-in" or _is(loader, importlib.machinery.BuiltinImporter):
        return "a builtin module"
    if spec.name in _IMPORT_SYSTEM:
        return "part of the import system"
    if foreign.is_extension(spec):
        return "an extension module"
    return None


def _is(loader: object, importer: object) -> bool:
    """Whether a spec's loader is one of the importer classes, which are their own loaders."""
    return loader is importer
