"""What a caller passed, as validated settings."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_reloadleak.effects import catalogue as known_probes
from pytest_reloadleak.effects.probe import Probe
from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.settings import TEST_FILES, Settings, unknown_strategy
from pytest_reloadleak.strategies.dependencies.project import Project
from pytest_reloadleak.verdict.known import Known


def settings_for(  # noqa: PLR0913 - one keyword per setting of the contract
    *,
    strategy: object = "reimport",
    reload: object = None,
    rounds: object = 5,
    warmup: object = 1,
    force: bool = False,
    unload: bool = False,
    probes: object = None,
    extra: Iterable[type[Probe]] = (),
    nodeid: str | None = None,
    project: Project | None = None,
    expected: Iterable[Known] = (),
) -> Settings:
    """Validated settings from what a caller passed.

    Raises:
        UsageError: a value makes no sense.
    """
    if reload is not None and not callable(reload):
        raise UsageError(f"reload must be a callable, not {reload!r}")
    if not isinstance(strategy, str):
        raise UsageError(unknown_strategy(strategy))
    return Settings(
        strategy="callable" if reload is not None else strategy,
        rounds=rounds,  # type: ignore[arg-type]  # validated by Settings, which says what was received
        warmup=warmup,  # type: ignore[arg-type]  # as above
        force=force,
        unload=bool(unload),
        probes=_chosen(probes, extra),
        nodeid=nodeid,
        rootdir=project.root if project is not None else ".",
        test_files=project.test_files if project is not None else TEST_FILES,
        known=tuple((one.pattern, one.sentence) for one in expected if not one.is_ignored),
        ignored=tuple(one.pattern for one in expected if one.is_ignored),
    )


def _chosen(names: object, extra: Iterable[type[Probe]]) -> tuple[str, ...]:
    if names is None:
        return ()
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",")]
    if not isinstance(names, Iterable) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"probes must be names of probes, such as ['threads', 'fds'], not {names!r}")
    return known_probes.chosen(names, "probes", extra)
