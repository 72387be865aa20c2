"""Whether what is claimed to be a holder does hold something old: the oracle goes there and looks.

A claim is a path such as `package.module.NAMES[*].attribute`, from `sys.modules` on. It is walked with plain Python in
the oracle's own process, after the oracle has come to its verdict. What no such walk can reach (a thread's frame, a
holder in C) is left open, and said to be.
"""

import gc
import re
import sys
import types
from itertools import islice

_STEP = re.compile(r"\.([\w*]+)|\[(?:\*|\d+|('[^']*'|\"[^\"]*\"))\]|<([\w .]+)>")
_DEPTH = 6
_WIDTH = 5000


def looked_up(claims, judge):
    """For each claim `holds`, `holds nothing old`, `not there` or `cannot be looked up`."""
    generations = judge.generations
    old = set(generations.old(judge.limit)) | set(generations.old_namespaces(judge.limit))
    old |= generations.old_modules(judge.limit)
    old |= {ident for ident, _, _ in generations.data.values()}
    current = {id(generations_namespace(n)) for n in list(sys.modules) if is_module(sys.modules[n])}
    return [_look(path, old, current) for path in claims]


def is_module(value):
    return issubclass(type(value), types.ModuleType)


def generations_namespace(name):
    return types.ModuleType.__dict__["__dict__"].__get__(sys.modules[name])


def _look(path, old, current):
    """Each module that the path may start with is tried: `unittest.main` is one, and a class of `unittest` too."""
    ends = [match.end() for match in re.finditer(r"^\w+|\.\w+", path)]
    starts = [path[:end] for end in reversed(ends) if path[:end] in sys.modules]
    answers = [_from(start, path, old, current) for start in starts]
    for answer in ("holds", "holds nothing old", "not there"):
        if answer in answers:
            return answer
    return "cannot be looked up"


def _from(start, path, old, current):
    values, at = [sys.modules[start]], len(start)
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            return "cannot be looked up"
        found = {id(inner): inner for value in values for inner in _step(value, *match.groups())}
        values = list(found.values())[:_WIDTH]
        at = match.end()
    if not values:
        return "not there"
    return "holds" if any(_leads_to(value, old, current) for value in values) else "holds nothing old"


def _step(value, attribute, key, kind):
    try:
        if attribute is not None:
            return _attributes(value, attribute)
        if kind is not None:  # what the collector alone knows of
            return gc.get_referents(value)
        if key is not None:
            name = key[1:-1]
            return [value[name]] if type(value) is not dict or name in value else []
        if isinstance(value, dict) or hasattr(type(value), "items"):
            return [part for pair in islice(value.items(), _WIDTH) for part in pair]
        return list(islice(value, _WIDTH))  # some never end
    except BaseException:
        return gc.get_referents(value) if attribute is None else []


def _attributes(value, name):
    """An attribute; all that match where a number is left open (`SIGUSR*`); of each in a tuple of bases."""
    if name == "__closure__" and type(value) is types.FunctionType:
        cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
        # A cell that is not bound yet raises when its contents are read.
        return [{name: gc.get_referents(cell)[0] for name, cell in cells if gc.get_referents(cell)}]
    if type(value) is tuple:
        return [inner for one in value for inner in _attributes(one, name)]
    if "*" in name:
        pattern = re.compile(name.replace("*", "[0-9]+"))
        names = [n for n in dir(value) if pattern.fullmatch(n)]
    else:
        names = [name]
    if is_module(value):
        namespace = types.ModuleType.__dict__["__dict__"].__get__(value)
        return [namespace[n] if n in namespace else getattr(value, n) for n in names if hasattr(value, n)]
    raw = [
        d[n]
        for n in names
        for d in (getattr(c, "__dict__", {}) for c in (value, *getattr(value, "__mro__", ())))
        if n in d
    ]
    return raw + [getattr(value, n) for n in names if hasattr(value, n)]


def _leads_to(value, old, current):
    """Whether a value is old, or refers to what is, over a few references and never through a module or other class."""
    level, seen = [value], set()
    for _ in range(_DEPTH):
        following = []
        for one in level:
            if id(one) in old or _is_of_old_class(one, old):
                return True
            if (
                id(one) in seen
                or is_module(one)
                or id(one) in current
                or (seen and issubclass(type(one), type))
            ):
                continue
            seen.add(id(one))
            following += gc.get_referents(one)
        level = following[:_WIDTH]
    return False


def _is_of_old_class(value, old):
    """Also one of which only the methods are known to be old: trio's public classes say that they are of `trio`."""
    own = type.__dict__["__dict__"].__get__(type(value))
    return id(type(value)) in old or any(id(part) in old for part in own.values())
