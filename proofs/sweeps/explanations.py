"""Record where the tool and the oracle disagree for a known reason, as data with the reason."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from comparing import Row


@dataclass(frozen=True, slots=True)
class Explanation:
    """One disagreement that stays."""

    modules: tuple[str, ...]
    """Names of modules, or globs."""
    difference: str
    """A glob of how they disagree, as `Row.differs` spells it."""
    why: str
    strategies: tuple[str, ...] = ("reimport", "reload")
    since: tuple[int, int] = (3, 10)
    until: tuple[int, int] = (3, 15)
    """First and last version of Python on which it was seen."""

    def explains(self, row: Row, difference: str, version: tuple[int, int]) -> bool:
        """Whether this is why a row differs."""
        return (
            self.since <= version <= self.until
            and row.strategy in self.strategies
            and any(fnmatchcase(row.module, pattern) for pattern in self.modules)
            and fnmatchcase(difference, self.difference)
        )


EXPLANATIONS: tuple[Explanation, ...] = (
    Explanation(
        modules=("jedi.plugins.registry",),
        difference="jedi.inference.plugin_manager._registered_plugins[[]*[]]: holds nothing old",
        why="Each execution registers the same four modules of jedi once more: plain Python counts 8, 12 and 16 of "
        "them. None is old, and the oracle looks only for what is.",
    ),
    Explanation(
        modules=("cattrs.gen",),
        difference="not named: cattrs.converters.*Fn",
        why="These are generic aliases of classes that are not the target's: unrelated code shares such an object "
        "through a cache, so it counts as a constant.",
    ),
    Explanation(
        modules=("collections",),
        difference="*: holds nothing old",
        strategies=("reload",),
        since=(3, 13),
        why="Since 3.13 `collections.abc` in `sys.modules` is the frozen module `_collections_abc`. The tool executes "
        "it again with its package, and then `typing.MutableSet.__origin__` is an old class, as plain Python shows. "
        "The oracle leaves frozen modules alone.",
    ),
    Explanation(
        modules=("annotationlib",),
        difference="typing._lazy_annotationlib: holds nothing old",
        strategies=("reimport",),
        since=(3, 14),
        why="`typing` binds `annotationlib` permanently at its first use, such as for the first `typing.NamedTuple` of "
        "the process. The tool's process has named tuples and the oracle's has none; in a program that has one, plain "
        "Python finds the old module there too.",
    ),
    Explanation(
        modules=("posixpath",),
        difference="not named: os.path.*",
        strategies=("reimport",),
        until=(3, 10),
        why="`os.path` in `sys.modules` is the old module itself under a second name. The tool names that one entry, "
        "the oracle each function in it.",
    ),
    Explanation(
        modules=("pkg_resources.extern", "setuptools.extern"),
        difference="not named: *._vendor.*",
        strategies=("reload",),
        why="`setuptools._vendor.packaging` in `sys.modules` is the module that the unit has as "
        "`setuptools.extern.packaging`. The tool names that one entry, the oracle each function in it.",
    ),
    Explanation(
        modules=("pkg_resources.extern", "setuptools.extern"),
        difference="not named: *._vendor.*",
        strategies=("reimport",),
        why="Each generation's finder hands out the same module, so its functions are the current ones as well. The "
        "tool names what the module keeps of the old unit, `__spec__.loader`; the oracle names each function.",
    ),
    Explanation(
        modules=("setuptools", "setuptools._distutils"),
        difference="*.distutils: holds nothing old",
        strategies=("reimport",),
        why="`distutils` in `sys.modules` is the `setuptools._distutils` of the generation that was loaded first, and "
        "setuptools imports it by that name. The oracle takes all that is in `sys.modules` for current.",
    ),
    Explanation(
        modules=("sqlalchemy.orm.context",),
        difference="sqlalchemy.orm.*Query.*_options: holds nothing old",
        why="`QueryContext.default_load_options` is a class in a class, without a method. The oracle counts classes "
        "without code only if a module has a name for them. Plain Python shows that each execution makes another one.",
    ),
    Explanation(
        modules=("celery.bin.celery",),
        difference="click.exceptions.NoSuchOption.show: holds nothing old",
        strategies=("reimport",),
        why="The tool names the attribute that each reload patches once more. Its value is the newest `_show`; the "
        "previous one is `previous_show_implementation` in its module, as the trace of the finding says.",
    ),
    Explanation(
        modules=("werkzeug.debug", "werkzeug.debug.console"),
        difference="sys.displayhook: holds nothing old",
        strategies=("reimport",),
        why="As with celery: the attribute's value is the newest `ThreadedStream.displayhook`, and `_displayhook` in "
        "its module is the previous one.",
    ),
    Explanation(
        modules=("sqlalchemy.sql",),
        difference="sqlalchemy.*._compiler_dispatch: holds nothing old",
        strategies=("reload",),
        why="The order of the reloads makes `Column` derive from the `Visitable` of the generation before, so old code "
        "makes the function. For the oracle it is new, since it was made in this round.",
    ),
    Explanation(
        modules=("h11._connection",),
        difference="bounded against growing",
        why="Two of h11's sentinels, classes that are their own type, are four objects per round. This is below the "
        "floor for growth ([limitations](limitations.md)). The whole of h11 is found, and so is `h11._state`.",
    ),
    Explanation(
        modules=("zoneinfo",),
        difference="clean against bounded",
        why="`_zoneinfo`, in C, stores `zoneinfo._tzpath.find_tzfile` and `zoneinfo._common` in static variables when "
        "it is first imported, and keeps them for ever. The tool keeps the first generation too while it checks, and "
        "cannot distinguish what only C keeps of it ([limitations](limitations.md): one generation held only in C).",
    ),
    Explanation(
        modules=("ctypes.wintypes",),
        difference="*_fields_*: holds nothing old",
        strategies=("reimport",),
        until=(3, 12),
        why="`CHAR * MAX_PATH` gives each generation the same array type, from a cache in C, and this type names the "
        "module that made it first. So the tool counts it as that generation's; the oracle counts only classes that "
        "the module's code made.",
    ),
    Explanation(
        modules=("ctypes.wintypes",),
        difference="*<type>*: holds nothing old",
        strategies=("reimport",),
        until=(3, 13),
        why="These are the same array types, to which a field's descriptor refers.",
    ),
    Explanation(
        modules=("kombu",),
        difference="kombu.__class__.__getattr__.__globals__[[]'old_module'[]]: holds nothing old",
        strategies=("reload",),
        why="The name holds the module of the generation before, which is within the grace, but its own `old_module` "
        "is the one before that. When the oracle looks at a holder it does not go through modules.",
    ),
    Explanation(
        modules=("html5lib._trie.py",),
        difference="error against *",
        why="The tool takes a target that ends in `.py` for the name of a file, and refuses it with a line that says "
        "so. A module that is really called `py` can be checked with its package.",
    ),
)


def explained(
    row: Row, version: tuple[int, int] = sys.version_info[:2]
) -> Iterator[tuple[str, Explanation | None]]:
    """Each difference of a row with its explanation, if it has one."""
    for difference in row.differs:
        found = (e for e in EXPLANATIONS if e.explains(row, difference, version))
        yield difference, next(found, None)


def unexplained(row: Row) -> list[str]:
    """The differences of a row that nothing here explains."""
    return [difference for difference, explanation in explained(row) if explanation is None]
