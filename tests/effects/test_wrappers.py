"""Patches that are not the target's own functions: wrappers of a helper, partials, proxies; and hosts loaded late.

`late` is a foreign module that the target itself loads first, as in a worker: nobody saw it before.
"""

from __future__ import annotations

import pytest
from cases import run

ROUNDS = 3
SHOP = """
import functools
hooks = []
def price(n): return n
class Till:
    def total(self): return 1
@functools.lru_cache
def cached(f): return 1
def hooked(f):
    @functools.wraps(f)
    def inner(*args):
        for hook in hooks: hook()
        return f(*args)
    return inner
@hooked
def noted(n): return n
def observed(f):
    listeners = []
    def inner(*args): return [g() for g in listeners] and f(*args)
    inner.listeners = listeners
    return inner
@observed
def watched(n): return n
"""
HELPER = """
import functools
def around(owner, name, hook):
    present = getattr(owner, name)
    @functools.wraps(present)
    def inner(*args, **keywords): return hook(present, *args, **keywords)
    setattr(owner, name, inner)

class Proxy:
    __slots__ = ("__wrapped__", "_self_wrapper")
    def __init__(self, wrapped, wrapper):
        self.__wrapped__, self._self_wrapper = wrapped, wrapper
    def __call__(self, *args): return self._self_wrapper(self.__wrapped__, *args)

class Counted:
    def __init__(self, inner, hook): self.inner, self.hook = inner, hook
    def __call__(self, *args): return self.hook(self.inner, *args)
"""
HOOK = "def hook(wrapped, *args, **keywords): return wrapped(*args, **keywords)\n"
OWN = """
_before = late.price
def price(*args): return _before(*args)
late.price = price
"""
OWN_CURED = """
_before = getattr(late.price, 'original', late.price)
def price(*args): return _before(*args)
price.original = _before
late.price = price
"""
KEPT = "_first = helper.__dict__.setdefault('{key}', {owner}.{name})\n"
"""Keep what stood there first with the helper: a cured target puts its wrapper around that."""


def cured(owner: str, name: str, value: str) -> str:
    """The body that wraps the original, whatever stands there."""
    return KEPT.format(key=f"{owner}.{name}", owner=owner, name=name) + f"{owner}.{name} = {value}\n"


LEAKING = {
    "helper": ("helper.around(late, 'price', hook)", "late.price"),
    "helper, method": ("helper.around(late.Till, 'total', hook)", "late.Till.total"),
    "helper, library": ("helper.around(json, 'dumps', hook)", "json.dumps"),
    "partial": ("late.price = functools.partial(hook, late.price)", "late.price"),
    "partial, library": ("json.dumps = functools.partial(hook, json.dumps)", "json.dumps"),
    "proxy": ("late.price = helper.Proxy(late.price, hook)", "late.price"),
    "proxy, method": ("late.Till.total = helper.Proxy(late.Till.total, hook)", "late.Till.total"),
    "proxy, library": ("json.dumps = helper.Proxy(json.dumps, hook)", "json.dumps"),
    "proxy, builtin": ("time.sleep = helper.Proxy(time.sleep, hook)", "time.sleep"),
}
CURED = {
    "helper": cured("late", "price", "_first") + "helper.around(late, 'price', hook)\n",
    "helper, method": cured("late.Till", "total", "_first") + "helper.around(late.Till, 'total', hook)\n",
    "partial": cured("late", "price", "functools.partial(hook, _first)"),
    "partial, library": cured("json", "dumps", "functools.partial(hook, _first)"),
    "proxy": cured("late", "price", "helper.Proxy(_first, hook)"),
    "proxy, method": cured("late.Till", "total", "helper.Proxy(_first, hook)"),
    "proxy, builtin": cured("time", "sleep", "helper.Proxy(_first, hook)"),
}
IMPORTS = "import functools, json, time\nimport late, helper\n"


def found(tmp_path, body, strategy, *, early=False):
    """Findings of a target, as kind, growth, holder's path and name; the host is loaded before the check if `early`."""
    files = {"late": SHOP, "helper": HELPER, "plugin": IMPORTS + HOOK + body + "\n"}
    if early:
        files["host"] = "import late, helper\n"
    import json
    import time

    dumps, sleep = json.dumps, time.sleep
    run.write(tmp_path, files)
    try:
        report = run.measure_and_undo(tmp_path, "plugin", strategy, ROUNDS)
    finally:
        json.dumps, time.sleep = dumps, sleep
    assert report.outcome == ("leaking" if report.findings else "clean"), report.error
    return [(f.kind, f.growth, f.holder and f.holder.path) for f in report.findings]


@pytest.mark.parametrize("strategy", run.WAYS)
@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("how", LEAKING)
def test_a_wrapper_of_whatever_make_is_a_patch(how, early, strategy, tmp_path):
    """One finding, on the attribute, for any number of layers and whenever the host was loaded."""
    body, path = LEAKING[how]

    assert found(tmp_path, body, strategy, early=early) == [("patched-global", "growing", path)]


@pytest.mark.parametrize("strategy", run.WAYS)
@pytest.mark.parametrize("how", CURED)
def test_a_wrapper_around_the_original_is_clean(how, strategy, tmp_path):
    """Each generation's takes the place of the one before."""
    assert found(tmp_path, CURED[how], strategy) == []


@pytest.mark.parametrize("is_leaking", [True, False])
def test_an_own_wrapper_in_a_module_that_nobody_saw_before(is_leaking, tmp_path):
    """The onion's layers are found through globals; the source tells that the module had a function of this name."""
    expected = [("patched-global", "growing", "late.price")] if is_leaking else []

    assert found(tmp_path, OWN if is_leaking else OWN_CURED, "reimport") == expected


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ("late.hooks.append(hook)", "late.hooks[*]"),
        ("late.watched.listeners.append(hook)", "late.watched.listeners[*]"),
        ("late.table = getattr(late, 'table', []) + [functools.partial(hook, late.price)]", "late.table[*]"),
        ("late.price = helper.Counted(late.price, hook)", None),
    ],
)
def test_what_is_no_wrapper_of_a_function_is_no_patch(body, path, tmp_path):
    """A list behind a host's own decorator is a registry, and an object of an unknown kind proves nothing."""
    findings = found(tmp_path, body, "reimport")

    assert {kind for kind, _, _ in findings} == {"retained-generation"}
    assert path is None or [at for _, _, at in findings] == [path]


def test_a_cache_of_a_decorated_function_is_no_patch(tmp_path):
    """It wraps the host's function and leads to the target's, as results do."""
    assert "patched-global" not in {kind for kind, _, _ in found(tmp_path, "late.cached(hook)", "reimport")}
