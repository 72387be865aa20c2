"""Define the command-line options and the ini options.

pytest imports this module in every run, so it imports nothing else of the package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def add_options(parser: pytest.Parser) -> None:
    """Register the command-line options and the ini options.

    Args:
        parser: pytest's parser, or an object that has its methods `getgroup` and `addini`.
    """
    group = parser.getgroup("reload-leak", "reload leaks")
    group.addoption(
        "--reload-leak-check",
        action="store_true",
        default=None,
        dest="reload_leak_check",
        help="turn checks on: reload each target several times, and fail if old code stays alive (default: off)",
    )
    group.addoption(
        "--no-reload-leak-check",
        action="store_false",
        dest="reload_leak_check",
        help="turn checks off, overriding the ini file; skips tests that check with the reload_leaks fixture",
    )
    group.addoption(
        "--reload-leak-target",
        action="append",
        metavar="NAME",
        help="module, package or glob of modules to check; repeatable (default: the project's own modules, "
        "or none if a test is marked reloadable)",
    )
    group.addoption(
        "--reload-leak-strategy",
        action="append",
        metavar="NAME",
        help="how to reload: reload, decache, reimport, cascade, alias, worker, or all; repeatable (default: reimport)",
    )
    group.addoption(
        "--reload-leak-preset",
        metavar="NAME|auto",
        help="host that loads and reloads the targets as its plugins, such as discord.py or Flask; auto: the one whose "
        "plugin a target looks like (default: none)",
    )
    group.addoption("--reload-leak-rounds", metavar="N", help="number of counted reloads (default: 5)")
    group.addoption("--reload-leak-warmup", metavar="N", help="warm-up reloads, not counted (default: 1)")
    group.addoption(
        "--reload-leak-isolation",
        metavar="process|none",
        help="check each target in a process of its own; with none, check all in this process (default: process)",
    )
    group.addoption(
        "--reload-leak-timeout", metavar="S", help="time limit of an isolated check, in seconds (default: 60)"
    )
    group.addoption(
        "--reload-leak-jobs",
        metavar="N|auto",
        help="number of isolated checks to run at once; 1 under pytest-xdist (default: auto, one for each core)",
    )
    group.addoption(
        "--reload-leak-force",
        action="store_true",
        help="check targets that are refused by default, where Python can execute them again (default: off)",
    )
    group.addoption(
        "--reload-leak-unload",
        action="store_true",
        help="after the last reload, also unload the target and report what keeps it alive (default: off)",
    )
    group.addoption(
        "--reload-leak-probes",
        metavar="LIST",
        help="comma-separated probes or finding kinds: threads, tasks, fds, references, ... (default: all)",
    )
    _add_gate_options(group)
    _add_report_options(group)
    _add_ini_options(parser)


def _add_gate_options(group: pytest.OptionGroup) -> None:
    group.addoption(
        "--reload-leak-ignore",
        action="append",
        metavar="PATTERN",
        help="accept findings by signature, kind:holder-glob, held:, registry: or site:file-glob; repeatable",
    )
    group.addoption(
        "--reload-leak-baseline",
        metavar="FILE",
        help="TOML file with the known findings: only new ones fail, and fixed ones are listed",
    )
    group.addoption(
        "--reload-leak-update-baseline",
        action="store_true",
        help="rewrite the baseline with what this run finds; keeps reasons and comments (refused if CI is set)",
    )
    group.addoption(
        "--reload-leak-strict-baseline",
        action="store_true",
        help="fail too if the baseline has findings that are fixed",
    )
    group.addoption(
        "--reload-leak-report-only",
        action="store_true",
        help="print and write findings, but fail no test for them",
    )


def _add_report_options(group: pytest.OptionGroup) -> None:
    group.addoption("--reload-leak-json", metavar="FILE", help="write all reports to this file as JSON")
    group.addoption(
        "--reload-leak-html", metavar="FILE", help="write all reports as one page, which needs no other file"
    )
    group.addoption(
        "--reload-leak-graphs",
        metavar="DIR",
        help="write a graph of each finding into this directory: DOT, and SVG if Graphviz is installed",
    )
    group.addoption(
        "--reload-leak-sarif", metavar="FILE", help="write findings as SARIF 2.1.0 for code scanning"
    )
    group.addoption(
        "--reload-leak-codequality", metavar="FILE", help="write findings for GitLab's code quality"
    )
    group.addoption(
        "--reload-leak-annotations",
        metavar="auto|github|none",
        help="print annotations at the leaking lines (default: auto, where GITHUB_ACTIONS is set)",
    )


def _add_ini_options(parser: pytest.Parser) -> None:
    parser.addini("reload_leak_check", "turn on --reload-leak-check", type="bool", default=False)
    parser.addini("reload_leak_targets", "modules to check, one per line", type="linelist", default=[])
    parser.addini("reload_leak_strategies", "strategies, one per line", type="linelist", default=[])
    parser.addini("reload_leak_preset", "host of the targets, or auto (default: none)", default="")
    parser.addini("reload_leak_rounds", "number of counted reloads (default: 5)", default="")
    parser.addini("reload_leak_warmup", "warm-up reloads, not counted (default: 1)", default="")
    parser.addini("reload_leak_isolation", "process (the default) or none", default="")
    parser.addini(
        "reload_leak_jobs", "number of isolated checks to run at once, or auto (the default)", default=""
    )
    parser.addini("reload_leak_unload", "turn on --reload-leak-unload", type="bool", default=False)
    parser.addini("reload_leak_probes", "comma-separated probes or finding kinds (default: all)", default="")
    parser.addini(
        "reload_leak_ignore",
        "findings to accept, one 'pattern # reason' per line",
        type="linelist",
        default=[],
    )
    parser.addini("reload_leak_baseline", "TOML file with the known findings", default="")
    parser.addini("reload_leak_annotations", "auto (the default), github or none", default="")
    parser.addini("reload_leak_timeout", "seconds per isolated check (default: 60)", default="")
