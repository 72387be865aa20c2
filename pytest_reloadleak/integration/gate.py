"""Read what the team accepts from options and ini file, and apply it to each report before a test passes or fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.gate import baseline, patterns
from pytest_reloadleak.gate.verdicts import Gate
from pytest_reloadleak.integration.reporting.outputs import assert_writable
from pytest_reloadleak.model import Report

_GATE = pytest.StashKey[Gate]()


def gate_of(config: pytest.Config) -> Gate:
    """The session's gate, read once.

    Raises:
        UsageError: a pattern or the baseline is invalid, or the baseline may not be updated here.
    """
    if _GATE not in config.stash:
        config.stash[_GATE] = _read(config)
    return config.stash[_GATE]


def _read(config: pytest.Config) -> Gate:
    ignores = (
        *patterns.from_option(config.getoption("reload_leak_ignore") or ()),
        *patterns.from_ini(config.getini("reload_leak_ignore")),
    )
    return Gate(
        rootdir=str(config.rootpath),
        ignores=ignores,
        baseline=_baseline(config),
        accepts_new=wants_update(config),
    )


def _baseline(config: pytest.Config) -> baseline.Baseline | None:
    where, path = baseline_path(config)
    for flag in ("update", "strict"):
        if path is None and config.getoption(f"reload_leak_{flag}_baseline"):
            raise UsageError(
                f"--reload-leak-{flag}-baseline needs a baseline: name it with --reload-leak-baseline=FILE, or with "
                "reload_leak_baseline in the ini file"
            )
    if path is None:
        return None
    if not wants_update(config):
        return baseline.read(path, where)
    if os.environ.get("CI", "").lower() not in {"", "0", "false"}:
        raise UsageError(
            "--reload-leak-update-baseline is refused, since the environment variable CI is set: "
            "update the baseline on your machine and commit it"
        )
    if not path.exists():
        assert_writable(str(path), where)
        return baseline.Baseline()
    found = baseline.read(path, where)
    assert_writable(str(path), where)
    return found


def wants_update(config: pytest.Config) -> bool:
    """Whether this run rewrites the baseline."""
    return bool(config.getoption("reload_leak_update_baseline"))


def baseline_path(config: pytest.Config) -> tuple[str, Path | None]:
    """The option or ini key that names the baseline, and its path; an ini value is relative to the ini file."""
    given = config.getoption("reload_leak_baseline")
    if given is not None:
        return "--reload-leak-baseline", Path(os.path.abspath(given))
    named = str(config.getini("reload_leak_baseline")).strip()
    if not named:
        return "reload_leak_baseline", None
    base = config.inipath.parent if config.inipath is not None else config.rootpath
    return "reload_leak_baseline", base / named


def gate_for(
    config: pytest.Config, ignore: object = None, expect: object = None, *, is_audit: bool = False
) -> Gate:
    """The session's gate with what an item, marker or call adds.

    Args:
        config: pytest's configuration.
        ignore: the `ignore` keyword of the marker or call.
        expect: its `expect` keyword.
        is_audit: whether strategies are compared.

    Raises:
        UsageError: a keyword is invalid, or what `gate_of` raises.
    """
    return gate_of(config).with_test(
        patterns.from_keyword(ignore), patterns.expected(expect), is_audit=is_audit
    )


def judged(
    config: pytest.Config,
    report: Report,
    ignore: object = None,
    expect: object = None,
    *,
    is_audit: bool = False,
) -> Report:
    """The report with accepted findings marked as known, and the outcome that follows. Arguments as for `gate_for`."""
    return gate_for(config, ignore, expect, is_audit=is_audit).applied(report)


def fails(config: pytest.Config) -> bool:
    """Whether a check that does not pass fails its test: not with `--reload-leak-report-only`."""
    return not config.getoption("reload_leak_report_only")
