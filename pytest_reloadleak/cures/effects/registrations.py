"""Write the cure of a registration: take a remedy from the table, and fill in the words of the target."""

from __future__ import annotations

import os
import re
import types
from collections.abc import Callable
from typing import Any, NamedTuple

from pytest_reloadleak.cures.methods.offers import function_of
from pytest_reloadleak.cures.names import Names, Subject, Test, is_name
from pytest_reloadleak.cures.remedies import REMEDIES, Remedy
from pytest_reloadleak.heap import foreign


class Clue(NamedTuple):
    """What is known of one effect while it is inspected."""

    kind: str
    root: str
    path: str
    values: tuple[Any, ...]
    """The objects that it is made of, itself first."""
    owned: Any
    """The target's object among them; `None` if there is none."""
    held: tuple[str, str] | None = None
    """Type and name of the target's object that it belongs to, where the objects do not show it."""
    identity: tuple[int | str, ...] = ()
    texts: tuple[str, ...] = ()
    """The texts that the entries of this registry are known by, each once."""
    parts: tuple[str, ...] = ()
    """The parts of a text that is a list, likewise."""
    made_by: str = ""
    """The function that registered it, if calls of it are watched."""
    slot: tuple[int | str, ...] = ()
    """The slot that the call filled."""


def cure(clue: Clue, registry: str, names: Names) -> list[str] | None:
    """The lines that undo a registration; `None` where none are known."""
    if clue.made_by == "codecs.register_error":
        return None  # a name can be given to another handler, and never be freed
    for remedy in REMEDIES:
        found = re.match(remedy.path, clue.path) if remedy.registry == registry else None
        if found is None:
            continue
        words = _Words(clue, names)
        for lines in remedy.lines:
            filled = [words.fill(line) for line in lines]
            if None not in filled:
                place = _place(found, remedy, names)
                return [line.replace("@", place) for line in filled if line is not None]
    return _text_out(clue, names) if not clue.values else None


def _text_out(clue: Clue, names: Names) -> list[str] | None:
    """The lines that take a text out of the list or table of a module at the effect's path."""
    found = _TABLE.match(clue.path)
    module = module_of(found[1]) if found is not None else ""
    if found is None or module == found[1] or module not in foreign.module_table():
        return None
    place, words = f"{names.need(module)}{found[1].removeprefix(module)}", _Words(clue, names)
    if clue.path.endswith("[*]"):
        # What the library itself put there has been read as well, if the target was the first to import it.
        text = clue.identity[1] if len(clue.identity) > 1 else 0
        return [f"{place}.remove({foreign.quoted(text)})"] if type(text) is str else None
    lines = [words.fill(f"for key in fnmatch.filter(list({place}), KEYS):"), f"    del {place}[key]"]
    return [line for line in lines if line is not None] if None not in lines else None


_TABLE = re.compile(r"([A-Za-z_][\w.]*)\[")


def _place(found: re.Match[str], remedy: Remedy, names: Names) -> str:
    """The registry as it is spelled; what the lines use is imported."""
    for module in remedy.imports:
        names.need_by_name(module)
    if not found.re.groups:
        return ""
    place = found[1]
    if remedy.registry == "functools.singledispatch":
        module = module_of(place)
        place = f"{names.need(module)}{place.removeprefix(module)}"
    return place


def module_of(path: str) -> str:
    """The longest start of a dotted path that is a loaded module."""
    parts = path.split(".")
    loaded = foreign.module_table()
    return next(
        (".".join(parts[:n]) for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in loaded), parts[0]
    )


class _Words:
    """What a cure may say about an entry. A word is looked up when a line has it, since it may need an import."""

    def __init__(self, clue: Clue, names: Names) -> None:
        self._clue = clue
        self._names = names
        self._first: Any = clue.values[0] if clue.values else None
        self.subject = names.subject(clue.owned) if clue.owned is not None else None
        bound = names.bound(self._first) if self._first is not None else None
        if bound is not None:
            self.subject = Subject(bound, Test("{}", "is", bound), bound)

    def fill(self, line: str) -> str | None:
        """A line with its words; `None` where one is not known."""
        for word, find in _FILLS.items():
            if re.search(rf"\b{word}\b", line):
                fill = find(self)
                if fill is None:
                    return None
                line = re.sub(rf"\b{word}\b", lambda _, fill=fill: fill, line)  # type: ignore[misc]  # bound at once
        if "TEST(" in line:
            if self.subject is None:
                return None
            line = _TESTS.sub(lambda found: self.subject.test.of(found[1]), line)  # type: ignore[union-attr]  # as checked
        for module in ("fnmatch", "gc", "types"):
            if f"{module}." in line:
                self._names.need_by_name(module)
        return line

    def _name(self) -> str | None:
        return self.subject.name if self.subject is not None else None

    def _entry(self) -> str | None:
        """The registered object itself, the target's or not."""
        is_method = type(self._first) in {types.MethodType, types.BuiltinMethodType}
        if self._first is self._clue.owned or self._names.bound(self._first) is not None:
            return self._name() or (self._method(self._first) if is_method else None)
        if is_method:
            return self._method(self._first)
        if type(self._first) is types.FunctionType:
            module, _, name = foreign.function_name(self._first).rpartition(".")
        elif foreign.is_class(self._first):
            module, name = foreign.class_module(self._first), foreign.class_qualname(self._first)
        else:
            return None
        namespace = foreign.module_dict(foreign.module_table().get(module)) or {}
        return f"{self._names.need(module)}.{name}" if namespace.get(name) is self._first else None

    def _method(self, o: Any) -> str | None:
        """A method of an object that the target has a name for, by the method's own name."""
        owner, is_python = self._names.bound(o.__self__), type(o) is types.MethodType
        if owner is None or (is_python and type(o.__func__) is not types.FunctionType):
            return None
        name = foreign.text((o.__func__ if is_python else o).__name__)
        found = function_of(o.__self__, name)
        is_its_own = found is o.__func__ if is_python else type(found) is types.MethodDescriptorType
        return f"{owner}.{name}" if is_its_own else None

    def _made(self) -> str | None:
        """A list of what the registered object can be, where nothing has a name for it."""
        o: Any = self._first
        if type(o) is types.FunctionType and o is self._clue.owned:
            return "[o for o in gc.get_objects() if type(o) is types.FunctionType and o.__globals__ is globals()]"
        if type(o) is not types.MethodType or foreign.is_class(o.__self__):
            return None
        cls = self._names.subject(type(o.__self__)).name
        name = foreign.text(o.__func__.__name__) if type(o.__func__) is types.FunctionType else ""
        return (
            f"[o.{name} for o in gc.get_objects() if type(o) is {cls}]" if cls is not None and name else None
        )

    def _type(self) -> str | None:
        if self._first is None or self._first is self._clue.owned:
            return None
        return _type_name(type(self._first), self._names)

    def _value(self) -> str | None:
        return _type_name(self._first, self._names) if foreign.is_class(self._first) else None

    def _pattern(self) -> str | None:
        quoted = re.search(r"'([^']*)'\)$|\['(.*)'\](?:\[\*\])?$", self._clue.path)
        found = next((group for group in quoted.groups() if group is not None), None) if quoted else None
        return _common(self._clue.texts) if found is None and len(self._clue.texts) > 1 else found

    def _key(self) -> str | None:
        pattern = self._pattern()
        return foreign.quoted(pattern) if pattern is not None and "*" not in pattern else None

    def _keys(self) -> str | None:
        pattern = self._pattern()
        return foreign.quoted(pattern) if pattern is not None and "*" in pattern else None

    def _text(self) -> str | None:
        return directory(self._clue.texts[0], self._names) if len(self._clue.texts) == 1 else None

    def _part(self) -> str | None:
        return foreign.quoted(self._clue.parts[0]) if len(self._clue.parts) == 1 else None

    def _slot(self) -> str | None:
        return ", ".join(_spelled(part) for part in self._clue.slot) or None


_FILLS: dict[str, Callable[[_Words], str | None]] = {
    "NAME": _Words._name,
    "ENTRY": _Words._entry,
    "MADE": _Words._made,
    "TYPE": _Words._type,
    "VALUE": _Words._value,
    "KEY": _Words._key,
    "KEYS": _Words._keys,
    "TEXT": _Words._text,
    "PART": _Words._part,
    "SLOT": _Words._slot,
}
_TESTS = re.compile(r"TEST\(([\w.]+)\)")


def _spelled(part: int | str) -> str:
    return str(part) if type(part) is int else foreign.quoted(str(part))


def _common(texts: tuple[str, ...]) -> str | None:
    """A pattern for texts that differ in one place; `None` if they have too little in common to tell them by."""
    least, most = min(texts), max(texts)
    head = _prefix([least, most])
    tail = _prefix([text[len(head) :][::-1] for text in texts])[::-1]
    return f"{head}*{tail}" if len(head) + len(tail) >= _LEAST else None


def _prefix(texts: list[str]) -> str:
    least, most = min(texts), max(texts)
    return least[: next((n for n, c in enumerate(least) if c != most[n]), len(least))]


_LEAST = 4
"""Characters that tell the entries of a target from those of others."""


def _type_name(cls: type, names: Names) -> str | None:
    module, qualname = foreign.class_module(cls), foreign.class_qualname(cls)
    if not all(map(is_name, qualname.split("."))):
        return None
    if module == "builtins":
        return qualname
    found = names.bound(cls)
    return found or (f"{names.need(module)}.{qualname}" if module in foreign.module_table() else None)


def directory(text: str, names: Names) -> str:
    """A directory in a form that is right on other machines too, where it lies beside the target."""
    file = foreign.text(names.namespace.get("__file__"))
    home = os.path.dirname(file)
    if home and text.startswith(f"{home}{os.sep}"):
        names.imports["import os"] = None
        return f"os.path.join(os.path.dirname(__file__), {foreign.quoted(text.removeprefix(home + os.sep))})"
    return foreign.quoted(text)
