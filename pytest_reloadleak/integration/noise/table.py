"""Define the keepers as data: each type that keeps the program's objects until the test ends, and the note on it.

`kept` finds the keeper's own objects, which only it reaches. `places` finds the attributes and items of the program
that it replaced and will put back. A keeper with neither is responsible for what only it and other objects of the
runner reach.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_reloadleak.heap.instances import instances
from pytest_reloadleak.holders.runner_noise import Noise
from pytest_reloadleak.integration.noise import calls, django_tests, fixtures, patches, warned

_OVER = "keeps {held} until the test is over: not a leak"
_PUT_BACK = "keeps {held} until it puts the original back: not a leak"


@dataclass(frozen=True, slots=True)
class Keeper:
    """A type that keeps objects of the program."""

    module: str
    """The module that defines the type. While it is not loaded, nothing is kept."""
    name: str
    sentence: str
    """The note. `{held}` is the kept object, `{name}` the keeper's own name."""
    versions: str
    """Versions in which this was observed."""
    link: str
    named: str = ""
    """The attribute with the keeper's own name, if it has one."""
    kept: Callable[[Any], Iterable[object]] | None = None
    places: Callable[[Any], Iterable[patches.Place]] | None = None

    def kind(self) -> type | None:
        """The type, if it is loaded."""
        found = getattr(sys.modules.get(self.module), self.name, None)
        return found if isinstance(found, type) else None


_PYTEST = "https://docs.pytest.org/en/stable/"

KEEPERS = (
    Keeper(
        "_pytest.monkeypatch",
        "MonkeyPatch",
        f"pytest's monkeypatch {_PUT_BACK}",
        "pytest 9.2",
        f"{_PYTEST}how-to/monkeypatch.html",
        kept=patches.saved_by_monkeypatch,
        places=patches.places_of_monkeypatch,
    ),
    Keeper(
        "pytest_mock.plugin",
        "MockerFixture",
        f"pytest-mock's mocker {_PUT_BACK}",
        "pytest-mock 3.17; older versions are recognised by their patches only",
        "https://pytest-mock.readthedocs.io/en/latest/usage.html",
        kept=patches.saved_by_mocker,
        places=patches.places_of_mocker,
    ),
    Keeper(
        "unittest.mock",
        "_patch",
        f"unittest.mock's patch {_PUT_BACK}",
        "Python 3.10 to 3.15",
        "https://docs.python.org/3/library/unittest.mock.html#patch",
        kept=patches.saved_by_mock,
        places=patches.places_of_mock,
    ),
    Keeper(
        "unittest.mock",
        "_patch_dict",
        f"unittest.mock's patch.dict {_PUT_BACK}",
        "Python 3.10 to 3.15",
        "https://docs.python.org/3/library/unittest.mock.html#patch-dict",
        kept=patches.saved_by_mock,
        places=patches.places_of_mock,
    ),
    Keeper(
        "unittest.mock",
        "NonCallableMock",
        "a mock keeps {held} from its calls, answers or spec: not a leak",
        "Python 3.10 to 3.15",
        "https://docs.python.org/3/library/unittest.mock.html#the-mock-class",
        kept=calls.recorded_calls,
        places=calls.places_of_answers,
    ),
    Keeper(
        "freezegun.api",
        "_freeze_time",
        "freezegun keeps {held} until it unfreezes time: not a leak",
        "freezegun 1.5",
        "https://github.com/spulec/freezegun#freezegun-let-your-python-tests-travel-through-time",
        kept=patches.saved_by_freezegun,
    ),
    *(
        Keeper(
            "pytest_django.fixtures",
            name,
            f"pytest-django's settings fixture {_PUT_BACK}",
            versions,
            "https://pytest-django.readthedocs.io/en/latest/helpers.html#settings",
            kept=django_tests.saved_settings,
            places=django_tests.places_of_settings,
        )
        for name, versions in (("Settings", "pytest-django 4.14"), ("SettingsWrapper", "pytest-django 4.9"))
    ),
    Keeper(
        "django.test.client",
        "Client",
        "Django's test client keeps {held} as long as it lives: not a leak",
        "Django 5.2",
        "https://docs.djangoproject.com/en/stable/topics/testing/tools/#the-test-client",
        kept=django_tests.finalizers_of_client,
    ),
    Keeper(
        "warnings",
        "catch_warnings",
        f"a warning recorder {_OVER}",
        "Python 3.10 to 3.15",
        f"{_PYTEST}how-to/capture-warnings.html#recwarn",
        kept=warned.recorder_lists,
    ),
    Keeper(
        "pluggy._hooks",
        "HookCaller",
        "pytest's record of hook calls keeps {held} until the session ends: not a leak",
        "pluggy 1.7",
        f"{_PYTEST}reference/reference.html#pytest.hookspec.pytest_warning_recorded",
        kept=warned.reported_warnings,
    ),
    Keeper(
        "_pytest.fixtures",
        "FixtureDef",
        "the fixture {name} keeps {held} until its scope ends: not a leak",
        "pytest 9.2",
        f"{_PYTEST}how-to/fixtures.html#scope-sharing-fixtures-across-classes-modules-packages-or-session",
        named="argname",
        kept=fixtures.finalizers,
    ),
    Keeper(
        "_pytest.runner",
        "SetupState",
        f"a finalizer of the test {_OVER}",
        "pytest 9.2",
        f"{_PYTEST}how-to/fixtures.html#adding-finalizers-directly",
        kept=fixtures.finalizers_of_nodes,
    ),
    Keeper(
        "_pytest.logging",
        "LogCaptureHandler",
        f"pytest's log capture {_OVER}",
        "pytest 9.2",
        f"{_PYTEST}how-to/logging.html",
    ),
    Keeper(
        "_pytest.stash",
        "Stash",
        "the stash of pytest's item or configuration keeps {held}: not a leak",
        "pytest 9.2",
        f"{_PYTEST}how-to/writing_hook_functions.html#storing-data-on-items-across-hook-functions",
    ),
)
"""If two keep the same object, the note names the first."""

_FAILURES = (
    f"{_PYTEST}how-to/failures.html#warning-about-unraisable-exceptions-and-unhandled-thread-exceptions"
)
STASHED = (
    Keeper(
        "_pytest.threadexception",
        "thread_exceptions",
        f"pytest's record of exceptions in threads {_OVER}",
        "pytest 9.2",
        _FAILURES,
    ),
    Keeper(
        "_pytest.unraisableexception",
        "unraisable_exceptions",
        f"pytest's record of unraisable exceptions {_OVER}",
        "pytest 9.2",
        _FAILURES,
    ),
)
"""Keepers in the stash of pytest's configuration. `name` is the variable of the key."""


def keepers(item: pytest.Item) -> Noise:
    """The keepers and what they keep while a test runs; one pass over the heap."""
    found = Noise(
        runner=[item, item.session, item.config, item.config.pluginmanager],
        types={f"{k.module}.{k.name}": (k.sentence, k.named) for k in KEEPERS},
    )
    active = [
        (keeper, kind)
        for keeper in KEEPERS
        if keeper.kept is not None and (kind := keeper.kind()) is not None
    ]
    alive = instances(kind for _, kind in active)
    for keeper, kind in active:
        for o in [o for o in alive if issubclass(type(o), kind)]:
            _add(keeper, o, found)
    for keeper in STASHED:
        key = getattr(sys.modules.get(keeper.module), keeper.name, None)
        value = item.config.stash.get(key, None) if isinstance(key, pytest.StashKey) else None
        if value is not None:
            found.kept.append((keeper.sentence, value))
    return found


def _add(keeper: Keeper, o: Any, found: Noise) -> None:
    """Add what a keeper keeps. A keeper of another version may have other attributes; it then adds nothing."""
    try:
        kept = list(keeper.kept(o)) if keeper.kept is not None else []
        places = list(keeper.places(o)) if keeper.places is not None else []
    except (AttributeError, KeyError, TypeError, ValueError):
        return
    sentence = keeper.sentence
    if keeper.named:
        sentence = sentence.replace("{name}", str(vars(o).get(keeper.named)))
    found.kept += [(sentence, value) for value in kept]
    found.places += [(sentence, owner, step) for owner, step in places]
