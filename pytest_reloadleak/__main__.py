"""Run the audit without a test. `python -m pytest_reloadleak TARGET...` is a pytest run that collects no test.

The options are those that the plugin gives to pytest, read from the same definitions.
"""

from __future__ import annotations

import argparse
import os
import pkgutil
import re
import sys
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, NoReturn

import pytest

from pytest_reloadleak import plugin
from pytest_reloadleak.errors import did_you_mean
from pytest_reloadleak.integration.reporting.repeated import Repeated
from pytest_reloadleak.settings import ALL

_PREFIX = "--reload-leak-"
_IMPLIED = ("--reload-leak-check", "--no-reload-leak-check", "--reload-leak-target")
"""Options that the command implies, so that it does not offer them."""
_LISTED = 6
"""The largest number of modules of the current directory that the help names."""

_DESCRIPTION = """\
Reload each TARGET several times under every strategy, in processes of their own, and report what stays alive: who
holds it, which line made it, and what undoes it. A table then says which strategies are safe for which target. No
test, no configuration and no conftest.py is needed; settings of an ini file (reload_leak_...) apply if there is one.
"""
_EPILOG = """\
examples:
  python -m pytest_reloadleak myapp.plugins.weather
      compare all strategies for one module
  python -m pytest_reloadleak myapp
      a package: it is reloaded with all its submodules
  python -m pytest_reloadleak 'myapp.plugins.*'
      each module that matches, one after the other
  python -m pytest_reloadleak myapp.chat --strategy=reimport --rounds=20
      one strategy, more rounds
  python -m pytest_reloadleak myapp.chat --json=report.json -v
      a report for programs; -v shows the reference paths
  python -m pytest_reloadleak myapp --baseline=leaks.toml --update-baseline
      accept today's leaks, so that the next run fails for new ones only

exit status:
  0  every check passed; what `alias` leaves by design is known, and fails nothing
  1  something leaks, or could not be checked
  4  the command line is wrong, or a target does not exist or is refused
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are usage errors of pytest: exit status 4."""

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"ERROR: {message}\n")
        sys.exit(int(pytest.ExitCode.USAGE_ERROR))


class _Options:
    """Receives the plugin's options in pytest's place, and adds them to the command's parser."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._group = parser.add_argument_group(
            "options", "the same as pytest's; `--reload-leak-` may be left out, as in `--rounds=10`"
        )
        self.actions: list[argparse.Action] = []

    def getgroup(self, *_: object) -> _Options:
        """Return itself: one group is enough."""
        return self

    def addoption(self, *names: str, **keywords: Any) -> None:
        """Add an option of the plugin unless the command implies it."""
        if not set(names).intersection(_IMPLIED):
            keywords["help"] = str(keywords.get("help", "")).replace("(default: reimport)", "(default: all)")
            self.actions.append(self._group.add_argument(*names, **keywords))

    def addini(self, *_: object, **__: object) -> None:
        """Ignore an ini option, which pytest itself reads."""


class _Audit:
    """A pytest plugin that checks only the targets and collects no test."""

    def __init__(self, targets: Iterable[str]) -> None:
        self._targets = [(name, None) for name in targets]

    @pytest.hookimpl(wrapper=True)
    def pytest_cmdline_parse(self) -> Generator[None, pytest.Config, pytest.Config]:
        """Choose the targets as the node ids of their items would."""
        config = yield
        config.option.reload_leak_chosen = self._targets
        config.option.reload_leak_alone = True
        return config

    def pytest_collection(self, session: pytest.Session) -> None:
        """Look into no directory, whether the targets are found or not."""
        session.config.args[:] = []


def main(arguments: Sequence[str] | None = None) -> int:
    """Audit targets.

    Args:
        arguments: the command line without the program; `None` for that of this process.

    Returns:
        The exit status: 0, 1 or 4, or pytest's own when the run is interrupted.
    """
    directory = os.getcwd()
    if directory not in sys.path:  # `python -m` has it there, the console script has not
        sys.path.insert(0, directory)
    mine, rest = _split(sys.argv[1:] if arguments is None else arguments)
    parser, options = _parser()
    values, unknown = parser.parse_known_intermixed_args(_in_full(mine, options.actions))
    if unknown:
        known = (name for action in options.actions for name in action.option_strings)
        hint = did_you_mean(unknown[0].partition("=")[0], [*known, *_short(options.actions)], cutoff=0.6)
        parser.error(
            f"unknown option {unknown[0]!r}: {hint}--help lists all; options of pytest itself follow a `--`"
        )
    targets = [*values.targets, *values.reload_leak_target]
    if not targets:
        parser.error(f"no target given: name a module, such as {_example()}; --help shows examples")
    warnings.simplefilter("ignore", pytest.PytestWarning)  # they are about how tests are set up
    status = pytest.main([*_fixed(values), *_given(values, options), *rest], [_Audit(targets), Repeated()])
    is_nothing_checked = status == pytest.ExitCode.NO_TESTS_COLLECTED
    return int(pytest.ExitCode.USAGE_ERROR if is_nothing_checked else status)


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The command's own arguments, and those for pytest behind a `--`."""
    mine = list(arguments)
    at = mine.index("--") if "--" in mine else len(mine)
    return mine[:at], mine[at + 1 :]


def _parser() -> tuple[argparse.ArgumentParser, _Options]:
    parser = _Parser(
        prog="python -m pytest_reloadleak",
        usage="python -m pytest_reloadleak TARGET... [options] [-- options of pytest]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help="a module, a package, or a glob of modules in quotes"
    )
    parser.add_argument("--reload-leak-check", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--reload-leak-target", action="append", default=[], help=argparse.SUPPRESS)
    general = parser.add_argument_group("general")
    general.add_argument("-h", "--help", action="help", help="show this text and exit")
    general.add_argument("--version", action="version", version=_version(), help="show the version and exit")
    general.add_argument(
        "-v", "--verbose", action="count", default=0, help="show reference paths, sizes and notes"
    )
    general.add_argument("-q", "--quiet", action="count", default=0, help="show less")
    general.add_argument(
        "-x", "--exitfirst", action="store_true", help="stop after the first check that fails"
    )
    options = _Options(parser)
    plugin.pytest_addoption(options)  # type: ignore[arg-type]  # it has the methods that are used
    return parser, options


def _version() -> str:
    from importlib.metadata import version

    return f"pytest-reloadleak {version('pytest-reloadleak')}"


def _short(actions: Iterable[argparse.Action]) -> Iterator[str]:
    """The options' names without the prefix."""
    for action in actions:
        yield from (f"--{name.removeprefix(_PREFIX)}" for name in action.option_strings)


def _in_full(arguments: Iterable[str], actions: Iterable[argparse.Action]) -> list[str]:
    """The arguments with the prefix where it was left out."""
    short = frozenset((*_short(actions), "--target", "--check"))

    def full(argument: str) -> str:
        name = argument.partition("=")[0]
        return f"{_PREFIX}{argument[2:]}" if name in short else argument

    return [full(argument) for argument in arguments]


def _fixed(values: argparse.Namespace) -> Iterator[str]:
    """What each audit wants of pytest."""
    yield "-preloadleak"  # also where the loading of installed plugins is switched off
    yield "-pno:cacheprovider"  # an audit leaves no directory behind
    yield "-pno:randomly"  # the cheapest strategy comes first, in the output as in the table
    yield "-Wignore::pytest.PytestWarning"
    yield from ("-o", "addopts=")  # which select and report tests
    yield from ("-o", "verbosity_test_cases=1")  # a line for each check, as it ends
    yield from ("-v",) * values.verbose
    yield from ("-q",) * values.quiet
    if values.exitfirst:
        yield "-x"
    if not values.verbose:
        yield "--no-header"


def _given(values: argparse.Namespace, options: _Options) -> Iterator[str]:
    """The plugin's options, as they were given."""
    if values.reload_leak_strategy is None:
        yield f"--reload-leak-strategy={ALL}"
    for action in options.actions:
        value = getattr(values, action.dest)
        if value is None or value is False:
            continue
        name = action.option_strings[0]
        if value is True:
            yield name
        else:
            yield from (f"{name}={one}" for one in (value if isinstance(value, list) else [value]))


def _example() -> str:
    """Names for the help: the modules of the current directory, or an invented name if it has none."""
    here = os.getcwd()
    found = sorted(
        info.name
        for info in pkgutil.iter_modules([here])
        if not re.match(r"test_|.*_test$|tests?$|conftest$|setup$|noxfile$", info.name)
    )
    return " or ".join(map(repr, found[:_LISTED])) if found else "'myapp.plugins.weather'"


if __name__ == "__main__":
    sys.exit(main())
