"""Read the settings from options and ini values; an option overrides the ini value."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_reloadleak.effects.catalogue import chosen
from pytest_reloadleak.effects.probe import Probe
from pytest_reloadleak.errors import UsageError, did_you_mean
from pytest_reloadleak.settings import (
    ALL,
    ISOLATIONS,
    STRATEGIES,
    expanded,
    seconds,
    unknown_strategy,
    whole_number,
)
from pytest_reloadleak.strategies.dependencies.project import Project
from pytest_reloadleak.verdict.known import Known

if TYPE_CHECKING:
    from pytest_reloadleak.presets.preset import Preset


@dataclass(frozen=True, slots=True)
class Options:
    """Settings from the command line and the ini file."""

    targets: tuple[str, ...]
    strategies: tuple[str, ...]
    is_audit: bool
    """Whether to compare all strategies."""
    preset: str
    """The host that reloads the targets, or `auto`; empty for none."""
    rounds: int
    warmup: int
    isolation: str
    timeout_s: float
    jobs: int
    """The number of isolated checks that run at once."""
    force: bool
    unload: bool
    probes: tuple[str, ...]
    extra: tuple[type[Probe], ...]
    expected: tuple[Known, ...]
    """References that plugins and conftests expect."""
    has_series: bool
    """Whether a report shows the numbers of each round."""

    @classmethod
    def of(cls, config: pytest.Config) -> Options:
        """Read and validate the options.

        Raises:
            pytest.UsageError: one line names the option, the value received and the allowed values.
        """
        try:
            return cls(
                targets=tuple(config.getoption("reload_leak_target") or config.getini("reload_leak_targets")),
                strategies=_strategies(config),
                is_audit=ALL in _strategy_names(config),
                preset=_preset(config),
                rounds=whole_number(*_given(config, "rounds", "5"), least=1, is_text=True),
                warmup=whole_number(*_given(config, "warmup", "1"), least=0, is_text=True),
                isolation=_isolation(*_given(config, "isolation", "process")),
                timeout_s=seconds(*_given(config, "timeout", "60")),
                jobs=_jobs(config),
                force=bool(config.getoption("reload_leak_force")),
                unload=wants_unload(config),
                probes=probes_of(config),
                extra=extra_probes(config),
                expected=expected_of(config),
                has_series=shows_series(config),
            )
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None

    def described(self) -> str:
        """One line that says how targets are checked."""
        rounds = "1 round" if self.rounds == 1 else f"{self.rounds} rounds"
        warmup = f" after {self.warmup} of warm-up" if self.warmup else ""
        where = "in this process" if self.isolation == "none" else "each in a process of its own"
        if self.isolation == "process" and self.jobs > 1:
            where += f", {self.jobs} at once"
        return f"{', '.join(self.strategies)}; {rounds}{warmup}; {where}"


def _given(config: pytest.Config, name: str, default: str) -> tuple[str, str]:
    """The option or ini key that sets a value, and the value."""
    option = config.getoption(f"reload_leak_{name}")
    if option is not None:
        return f"--reload-leak-{name}", str(option)
    return f"reload_leak_{name}", str(config.getini(f"reload_leak_{name}") or default)


def _jobs(config: pytest.Config) -> int:
    """The number of isolated checks that run at once: one in each process of pytest-xdist."""
    where, given = _given(config, "jobs", "auto")
    try:
        number = _cores() if given == "auto" else whole_number(where, given, least=1, is_text=True)
    except UsageError as error:
        raise UsageError(f"{error}; or auto, one for each core") from None
    return 1 if hasattr(config, "workerinput") else number


def _cores() -> int:
    """The number of cores that this process may use."""
    affinity = vars(os).get("sched_getaffinity")
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _strategy_names(config: pytest.Config) -> list[str]:
    return list(
        config.getoption("reload_leak_strategy") or config.getini("reload_leak_strategies") or ["reimport"]
    )


def _strategies(config: pytest.Config) -> tuple[str, ...]:
    where = "--reload-leak-strategy" if config.getoption("reload_leak_strategy") else "reload_leak_strategies"
    names = _strategy_names(config)
    for name in names:
        if name not in (*STRATEGIES, ALL):
            raise UsageError(f"{where}: {unknown_strategy(name, is_option=True)}")
    return expanded(names)


def _preset(config: pytest.Config) -> str:
    where, given = _given(config, "preset", "")
    if given:
        from pytest_reloadleak.presets.catalogue import named  # only who names a preset needs them

        try:
            named(given, extra_presets(config))
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None
    return given


def project_of(config: pytest.Config) -> Project:
    """The project under test."""
    return Project(str(config.rootpath), tuple(str(pattern) for pattern in config.getini("python_files")))


def wants_unload(config: pytest.Config) -> bool:
    """Whether the option or the ini file asks for the unload check."""
    try:
        return bool(config.getoption("reload_leak_unload") or config.getini("reload_leak_unload"))
    except (ValueError, pytest.UsageError) as error:  # pytest's own words do not name the line
        raise UsageError(f"reload_leak_unload: {error}; write true or false") from None


def shows_series(config: pytest.Config) -> bool:
    """Whether the session writes or prints what the settled rounds of a second pass show: JSON, HTML and `-v` do."""
    written = config.getoption("reload_leak_json") or config.getoption("reload_leak_html")
    # pytest-html adds our page to its own.
    return bool(written or getattr(config.option, "htmlpath", None)) or config.get_verbosity() > 0


def probes_of(config: pytest.Config) -> tuple[str, ...]:
    """Names of the probes to use; empty for all.

    Raises:
        UsageError: a probe does not exist.
    """
    option = config.getoption("reload_leak_probes")
    where = "--reload-leak-probes" if option is not None else "reload_leak_probes"
    given = option if option is not None else config.getini("reload_leak_probes")
    names = [name.strip() for name in given.replace("\n", ",").split(",") if name.strip()]
    if option is not None and not names:
        raise UsageError(f"--reload-leak-probes names no probe: {option!r}; leave it out to use all")
    return chosen(names, where, extra_probes(config))


def extra_probes(config: pytest.Config) -> tuple[type[Probe], ...]:
    """Third-party probes, from the hook `pytest_reloadleak_probes`.

    Raises:
        UsageError: one is not a subclass of `Probe`, or has no name.
    """
    found = [probe for probes in config.hook.pytest_reloadleak_probes(config=config) for probe in probes]
    for probe in found:
        if not (isinstance(probe, type) and issubclass(probe, Probe) and probe.name):
            raise UsageError(
                f"pytest_reloadleak_probes must return subclasses of Probe with a name, not {probe!r}"
            )
    return tuple(found)


def extra_presets(config: pytest.Config) -> list[Preset]:
    """Third-party presets, from the hook `pytest_reloadleak_presets`.

    Raises:
        UsageError: one is not a `Preset` with a name.
    """
    from pytest_reloadleak.presets.preset import Preset  # only who names a preset needs them

    found = [one for several in config.hook.pytest_reloadleak_presets(config=config) for one in several]
    for one in found:
        if not isinstance(one, Preset) or not one.name:
            raise UsageError(
                f"pytest_reloadleak_presets must return instances of Preset with a name, not {one!r}"
            )
    return found


def expected_of(config: pytest.Config) -> tuple[Known, ...]:
    """Third-party expected references that apply to this interpreter, from the hook `pytest_reloadleak_known`.

    Raises:
        UsageError: one is not a `Known`.
    """
    found = [one for many in config.hook.pytest_reloadleak_known(config=config) for one in many]
    for one in found:
        if not isinstance(one, Known):
            raise UsageError(f"pytest_reloadleak_known must return Known(pattern=..., why=...), not {one!r}")
    return tuple(one for one in found if one.applies())


def _isolation(where: str, name: str) -> str:
    if name not in ISOLATIONS:
        hint = did_you_mean(name, ISOLATIONS)
        raise UsageError(f"{where}: unknown isolation {name!r}: {hint}use one of {', '.join(ISOLATIONS)}")
    return name
