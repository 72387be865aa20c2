"""Find what the target's module calls things: the words in which a cure is written."""

from __future__ import annotations

import functools
import keyword
import types
from collections.abc import Mapping
from typing import Any, NamedTuple

from pytest_reloadleak.heap import describe, foreign


class Test(NamedTuple):
    """A comparison that tells the target's object from others; `{}` stands for the object."""

    left: str
    operator: str
    right: str

    def of(self, spelled: str) -> str:
        """The comparison of an expression."""
        left, right = (side.replace("{}", spelled) for side in (self.left, self.right))
        return f"{left} {self.operator} {right}"

    @property
    def opposite(self) -> Test:
        """The comparison that is true where this one is not."""
        return self._replace(operator={"is": "is not", "==": "!=", "in": "not in"}[self.operator])


class Subject(NamedTuple):
    """The target's object that is held."""

    name: str | None
    """An expression of the target's module whose value it is; `None` if it has no name there."""
    test: Test
    word: str = ""
    """The name by which the target's source mentions it or its class."""


class Given(NamedTuple):
    """What the host gives to the hook into which a cure goes."""

    objects: Mapping[str, object] = types.MappingProxyType({})
    """The host's objects by the names that the hook calls them."""
    is_on_loop: bool = False
    """Whether the host calls the hook on its running loop."""
    has_methods: bool = False
    """Whether the hook may be a method of the plugin's own class."""


class Names:
    """The names in one module of the target, and the imports that a cure needs besides.

    Args:
        module: the name of the module whose dispose hook runs the cure.
        namespaces: the target's present namespaces by module name.
        given: what the host gives to the hook.
    """

    def __init__(
        self,
        module: str,
        namespaces: Mapping[str, dict[str, Any]],
        given: Given | None = None,
    ) -> None:
        self.module = module
        self.namespace: dict[str, Any] = namespaces.get(module, {})
        self._namespaces = namespaces
        self._bound: dict[int, str] = {}
        for name, value in list(self.namespace.items()):
            if is_name(name) and not name.startswith("__") and not foreign.is_atom(value):
                self._bound.setdefault(id(value), name)
        self.given = given or Given()
        for name, value in self.given.objects.items():
            self._bound.setdefault(id(value), name)
        self.imports: dict[str, None] = {}

    def need(self, module: str) -> str:
        """How the module's code spells another module; an import is added if it does not have it."""
        loaded = foreign.module_table().get(module)
        name = self._bound.get(id(loaded)) if loaded is not None else None
        if name is not None:
            return name
        self.imports[f"import {module}"] = None
        return module

    def need_by_name(self, module: str) -> None:
        """Have the full name of another module mean it; an import is added if the module's code has no such name."""
        if self.bound(foreign.module_table().get(module)) != module:
            self.imports[f"import {module}"] = None

    def is_own(self, function: types.FunctionType) -> bool:
        """Whether a function is the target's."""
        return foreign.module_name(function.__globals__) in self._namespaces

    def is_present(self, o: Any) -> bool:
        """Whether a function, method, class or instance is the target's, of the present generation."""
        if type(o) is types.MethodType:
            o = o.__func__
        if type(o) is types.FunctionType:
            return any(o.__globals__ is namespace for namespace in self._namespaces.values())
        cls = o if foreign.is_class(o) else type(o)
        name = foreign.class_qualname(cls).partition(".")[0]
        return dict.get(self._namespaces.get(foreign.class_module(cls)) or {}, name) is cls

    def bound(self, o: object) -> str | None:
        """The global of the module whose value is `o`."""
        return self._bound.get(id(o))

    def counterpart(self, o: object) -> str | None:
        """What the module calls the one object of a type: a global, or an attribute of an instance that is a global."""
        found = self.bound(o)
        if found is not None:
            return found
        kind = type(o)
        alike: list[str] = []
        for name, value in list(self.namespace.items()):
            if not is_name(name) or foreign.is_class(value) or foreign.is_module(value):
                continue
            if type(value) is kind:
                alike.append(name)
            elif foreign.class_module(type(value)) in self._namespaces:
                attributes = foreign.instance_dict(value) or {}
                alike += [
                    f"{name}.{key}" for key, part in attributes.items() if type(part) is kind and is_name(key)
                ]
        return alike[0] if len(alike) == 1 else None

    def is_on_loop(self) -> bool:
        """Whether the hook runs on an event loop: the host's, or the one that runs now, on which the check reloads."""
        asyncio = foreign.module_table().get("asyncio")
        return self.given.is_on_loop or (asyncio is not None and asyncio._get_running_loop() is not None)

    def variable(self, wish: str) -> str:
        """A name for a loop that hides none of the module's."""
        return f"{wish}_" if wish in self.namespace else wish

    # -- the target's own objects -------------------------------------------------------------------------------------

    def subject(self, o: Any) -> Subject:
        """How to name an object of the target, or to recognise it."""
        bound = self.bound(o)
        if type(o) is types.FunctionType:
            return self._function(o, bound)
        if foreign.is_class(o):
            return self._class(o)
        if type(o) is types.MethodType:
            return self._method(o, bound)
        if foreign.is_module(o):
            return Subject(None, Test("{}", "is", self._own_module(o)))
        if type(o) is dict and "__name__" in o:
            return Subject(None, Test("{}", "is", self._globals(foreign.module_name(o))))
        for kinds, attribute in _WRAPPERS:
            if foreign.is_exactly(o, kinds):
                inner = self.subject(object.__getattribute__(o, attribute))
                return self._through(inner, attribute)
        for kind, attribute in _SUSPENDED:
            if type(o) is kind:
                return self._suspended(o, attribute)
        if describe.is_stack(o):
            return self._stack(o)
        return self._instance(o, bound)

    def called(self, kind: str, name: str) -> Subject | None:
        """The function or class that a finding names, if the module's present generation has it."""
        module, _, short = name.rpartition(".")
        value = (self._namespaces.get(module) or {}).get(short)
        fits = type(value) is types.FunctionType if kind == "function" else foreign.is_class(value)
        if not (fits and is_name(short) and kind in {"function", "class"}):
            return None
        spelled = self._from(module, short, [])
        return Subject(spelled, Test("{}", "is", spelled), short)

    def _function(self, function: types.FunctionType, bound: str | None) -> Subject:
        module = foreign.module_name(function.__globals__)
        qualname = foreign.text(function.__qualname__)
        name = bound or self._counterpart(module, qualname, function.__code__)
        word = qualname.rpartition(".")[2]
        if name is None:
            return Subject(None, Test("getattr({}, '__globals__', None)", "is", self._globals(module)), word)
        return Subject(name, Test("{}", "is", name), name.partition(".")[0])

    def _counterpart(self, module: str, qualname: str, code: types.CodeType) -> str | None:
        """What the module calls the function of the same code in its present generation."""
        namespace = self._namespaces.get(module)
        if namespace is None:
            return None
        first, *rest = qualname.split(".")
        found: Any = namespace.get(first)
        for part in rest:
            found = foreign.class_dict(found).get(part) if foreign.is_class(found) else None
        if foreign.is_exactly(found, foreign.type_ids(staticmethod)):
            found = found.__func__
        if _is_same_code(found, code) and all(map(is_name, (first, *rest))):
            return self._from(module, first, rest)
        for name, value in list(namespace.items()):
            if is_name(name) and _is_same_code(value, code):
                return self._from(module, name, [])
        return None

    def _from(self, module: str, first: str, rest: list[str]) -> str:
        if not self._is_own(module):
            self.imports[f"from {module} import {first}"] = None
        return ".".join((first, *rest))

    def _is_own(self, module: str) -> bool:
        """Whether the cure stands in a module's source: each alias of the target is executed from the same one."""
        if module == self.module:
            return True
        file = dict.get(self.namespace, "__file__")
        return type(file) is str and dict.get(self._namespaces.get(module) or {}, "__file__") == file

    def _class(self, cls: type) -> Subject:
        module, qualname = foreign.class_module(cls), foreign.class_qualname(cls)
        first, *rest = qualname.split(".")
        found: Any = (self._namespaces.get(module) or {}).get(first)
        for part in rest:
            found = foreign.class_dict(found).get(part) if foreign.is_class(found) else None
        is_known = foreign.is_class(found) and foreign.class_qualname(found) == qualname
        if is_known and all(map(is_name, (first, *rest))):
            name = self._from(module, first, rest)
            return Subject(name, Test("{}", "is", name), rest[-1] if rest else first)
        own = "__name__" if self._is_own(module) else foreign.quoted(module)
        return Subject(None, Test("getattr({}, '__module__', None)", "==", own), qualname.rpartition(".")[2])

    def _method(self, method: types.MethodType, bound: str | None) -> Subject:
        if bound is not None:
            return Subject(bound, Test("{}", "==", bound), bound)
        function = method.__func__
        if type(function) is not types.FunctionType:
            return self._through(self.subject(function), "__func__")
        inner = self._function(function, None)
        owner = self._named_instance(method.__self__)
        if owner is not None:
            name = f"{owner}.{foreign.text(function.__name__)}"
            return Subject(name, Test("{}", "==", name), owner)
        bound_to: Any = method.__self__
        cls: type = bound_to if foreign.is_class(bound_to) else type(bound_to)
        word = foreign.class_qualname(cls).rpartition(".")[2]
        if foreign.is_class(method.__self__) and inner.name is None:
            test = self._class(cls).test
            return Subject(None, Test("getattr({}, '__self__', None)", test.operator, test.right), word)
        return self._through(inner, "__func__")._replace(word=word)

    def _named_instance(self, o: object) -> str | None:
        """The global that holds `o`, or the one object of its class that the present generation has for it."""
        bound = self.bound(o)
        if bound is not None or foreign.is_class(o):
            return bound
        kind = foreign.type_name(o)
        alike = [n for n, v in list(self.namespace.items()) if is_name(n) and foreign.type_name(v) == kind]
        return alike[0] if len(alike) == 1 and foreign.class_module(type(o)) == self.module else None

    def _instance(self, o: object, bound: str | None) -> Subject:
        cls = self._class(type(o))
        name = bound or self._named_instance(o)
        if name is not None:
            return Subject(name, Test("{}", "is", name), name)
        if cls.name is None:
            return Subject(None, Test("type({}).__module__", cls.test.operator, cls.test.right), cls.word)
        return Subject(None, Test("type({})", "is", cls.name), cls.word)

    def _through(self, inner: Subject, attribute: str) -> Subject:
        left = inner.test.left.replace("{}", f"getattr({{}}, {foreign.quoted(attribute)}, None)")
        return Subject(None, inner.test._replace(left=left), inner.word)

    def _suspended(self, o: Any, attribute: str) -> Subject:
        code = object.__getattribute__(o, attribute)
        namespace = describe.suspended_globals(o) or {}
        qualname = foreign.text(object.__getattribute__(o, "__qualname__"))
        name = self._counterpart(foreign.module_name(namespace), qualname, code)
        if name is None:
            name_text = foreign.quoted(foreign.code_text(code))
            left = f"getattr(getattr({{}}, {foreign.quoted(attribute)}, None), 'co_name', '')"
            return Subject(None, Test(left, "==", name_text), foreign.code_text(code))
        return Subject(
            None,
            Test(f"getattr({{}}, {foreign.quoted(attribute)}, None)", "is", f"{name}.__code__"),
            name.partition(".")[0],
        )

    def _stack(self, o: object) -> Subject:
        if foreign.class_module(type(o)) in self._namespaces:
            return self._instance(o, None)
        walk_tb = f"{self.need('traceback')}.walk_tb"
        walk = f"[frame.f_globals for frame, _ in {walk_tb}(getattr({{}}, '__traceback__', None))]"
        return Subject(None, Test(f"{self._globals(self.module)}", "in", walk))._replace(word="")

    def _own_module(self, module: Any) -> str:
        name = foreign.module_name(foreign.module_dict(module) or {})
        sys_name = self.need("sys")
        return f"{sys_name}.modules[{'__name__' if self._is_own(name) else foreign.quoted(name)}]"

    def _globals(self, module: str) -> str:
        if self._is_own(module) or module not in self._namespaces:
            return "globals()"
        return f"vars({self.need('sys')}.modules[{foreign.quoted(module)}])"


_WRAPPERS = (
    (foreign.type_ids(functools.partial), "func"),
    (foreign.type_ids(staticmethod, classmethod), "__func__"),
    (foreign.type_ids(property), "fget"),
)
_SUSPENDED = (
    (types.GeneratorType, "gi_code"),
    (types.CoroutineType, "cr_code"),
    (types.AsyncGeneratorType, "ag_code"),
)


def is_name(text: object) -> bool:
    """Whether a text can be written as a name."""
    return type(text) is str and text.isidentifier() and not keyword.iskeyword(text)


def _is_same_code(o: Any, code: types.CodeType) -> bool:
    own = foreign.own_code(o)
    if own is None or own.co_firstlineno != code.co_firstlineno:
        return False
    return foreign.code_name(own) == foreign.code_name(code)
