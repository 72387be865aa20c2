"""Whether what is claimed to be a holder does hold something old: the oracle goes there and looks.

A claim is a path such as `package.module.NAMES[*].attribute`, from `sys.modules` on. It is walked with plain Python in
the oracle's own process, after the oracle has come to its verdict. What no such walk can reach (a thread's frame, a
holder in C) is left open, and said to be.
"""

import gc
import re
import sys
import types

_STEP = re.compile(r"\.(\w+)|\[\*\]|\[(\d+)\]|\[('[^']*'|\"[^\"]*\")\]|(\(\w+\))")
_DEPTH = 4
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
    found = _resolved(path)
    if isinstance(found, str):
        return found
    return "holds" if any(_leads_to(value, old, current) for value in found) else "holds nothing old"


def _resolved(path):
    """The values at a path, or why there are none."""
    cut = len(path)
    names = [match.end() for match in re.finditer(r"^\w+|\.\w+", path)]
    module = next((path[:end] for end in reversed([e for e in names if e <= cut]) if path[:end] in sys.modules), None)
    if module is None:
        return "cannot be looked up"
    values, at = [sys.modules[module]], len(module)
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            return "cannot be looked up"
        attribute, index, key, _ = match.groups()
        values = [inner for value in values for inner in _step(value, attribute, index, key)][:_WIDTH]
        at = match.end()
        if not values:
            return "not there"
    return values


def _step(value, attribute, index, key):
    try:
        if attribute is not None:
            if is_module(value):
                return [types.ModuleType.__dict__["__dict__"].__get__(value)[attribute]]
            return [getattr(value, attribute)]
        if key is not None:
            return [value[key[1:-1]]]
        if isinstance(value, dict) or hasattr(type(value), "items"):
            return [part for pair in list(value.items()) for part in pair]
        return list(value)
    except BaseException:
        referents = gc.get_referents(value)
        return referents if attribute is None else []


def _leads_to(value, old, current):
    """Whether a value is old, or refers to what is, over a few references and never through a module."""
    level, seen = [value], set()
    for _ in range(_DEPTH):
        following = []
        for one in level:
            if id(one) in old or id(type(one)) in old:
                return True
            if id(one) in seen or is_module(one) or id(one) in current:
                continue
            seen.add(id(one))
            following += gc.get_referents(one)
        level = following[:_WIDTH]
    return False
