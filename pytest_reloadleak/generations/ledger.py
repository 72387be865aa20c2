"""Record which objects each round created, by weak references and ids only.

A marker dates its namespace (`markers`). Where a reload reuses the namespace, its functions and classes are dated one
by one, in this order: by the code object (an in-place patcher keeps the function and replaces its code), by the round
that first saw them, and by their `__module__` string (`stamps`). `None` means that nothing dates the object.
"""

from __future__ import annotations

import types
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any

from pytest_reloadleak.generations.birth import Birth, Firsts, References, RoundClasses, is_in, living, pruned
from pytest_reloadleak.generations.earlier_checks import is_left_over
from pytest_reloadleak.generations.handed_out import HandedOut
from pytest_reloadleak.generations.markers import Markers
from pytest_reloadleak.generations.specs import Specs
from pytest_reloadleak.generations.stamps import Stamps
from pytest_reloadleak.generations.walk import Definitions, functions_of, namespaces_of, site_of, walk
from pytest_reloadleak.heap import foreign


class Ledger:
    """Births of one check.

    Args:
        owns: whether a module name belongs to the target's unit.
        invents: whether the application makes up a module of this name for one round only.
        is_in_place: whether a reload may execute a module in its namespace.
    """

    def __init__(
        self,
        owns: Callable[[str], bool],
        invents: Callable[[str], bool] = lambda _: False,
        *,
        is_in_place: bool = True,
    ) -> None:
        self._invents = invents
        self._owns = owns
        self._owned: dict[str, bool] = {}
        self.births: list[Birth] = []
        self.markers = Markers()
        self._codes: References = {}
        self._reused: References = {}
        """Code that a loader keeps and executes again, as for frozen modules, so that it dates no function."""
        self._classes: References = {}
        self._more = (self._codes, self._reused, self._classes)
        self._walked: set[int] = set()
        self._renewed: set[int] = set()
        self._stamps = Stamps()
        self._specs = Specs()
        self._handed_out = HandedOut(is_in_place=is_in_place)
        self._firsts = Firsts()

    def owns(self, module: str) -> bool:
        """Whether a module name belongs to the target's unit; cached, since every class of the heap is looked up."""
        known = self._owned.get(module)
        if known is None:
            known = self._owned[module] = self._owns(module)
        return known

    @property
    def current(self) -> int:
        """Number of the newest generation."""
        return self.births[-1].generation

    def note(self, generation: int, modules: Iterable[tuple[str, object]]) -> set[str]:
        """Note what exists after a round.

        Args:
            generation: number of the generation that the round should have created.
            modules: name and `sys.modules` entry of each module of the unit.

        Returns:
            The names of the modules whose code ran in the round, proven by a new namespace, function, class, code
            object or, for a module of nothing but data, module spec.
        """
        self.births.append(birth := Birth(generation))
        noted, executed = RoundClasses(), set()
        self._firsts.clear()
        for name, module in modules:
            self.markers.look_at(namespaces := namespaces_of(name, module))
            for namespace in namespaces:
                if self._note_namespace(birth, noted, name, namespace, module):
                    executed.add(name)
            if foreign.is_module(module):
                birth.modules[id(module)] = weakref.ref(module)
        self._drop_stale_classes(birth, noted)
        self._firsts.clear()
        return executed

    def _drop_stale_classes(self, birth: Birth, noted: RoundClasses) -> None:
        """Remove old classes that a module of the unit still has although their own module ran again without them."""
        for key, reference in list(birth.classes.items()):
            cls = reference()
            if cls is None or key in noted.made:
                continue
            if key not in noted.own.get(foreign.class_module(cls), {key}):
                del birth.classes[key]

    def _note_namespace(
        self, birth: Birth, noted: RoundClasses, name: str, namespace: dict[str, Any], module: object
    ) -> bool:
        fresh = not self.markers.is_known(namespace, module)
        emptied = not fresh and self.markers.is_emptied(namespace)
        executed = self._specs.note(name, namespace) and not fresh
        if not fresh and not executed and not emptied and self._invents(name):
            return False  # one module per round: one that is still here is an earlier round's, not current
        self._stamps.note(birth.generation, namespace, is_first=len(self.births) == 1)
        if fresh:
            self.markers.plant(birth.generation, name, namespace, module)
        else:
            self.markers.share(birth.generation, name, namespace)
        # The marker dates the functions of an unshared namespace, so looking for all of them pays only where the
        # namespace is reused, or may be by the next round.
        is_deep = not fresh or self.markers.count(name) <= 1
        found = walk(namespace, self.owns, is_deep=is_deep)
        if executed and not self._is_any_new(found) and self._handed_out.is_again(name, namespace, found):
            executed = False
        self._handed_out.note(name, namespace)
        executed = executed or (emptied and not self._has_old(found, name))
        if fresh or executed:
            noted.own.setdefault(name, set())
        if not fresh and id(namespace) not in self._walked:
            # Earlier walks saw only the top level, so only objects there can prove to be new.
            renewed = self._has_new(walk(namespace, self.owns, is_deep=False))
            self._file(birth, noted, found, name, executed=executed)
        else:
            renewed = self._file(birth, noted, found, name, executed=executed)
        if is_deep:
            self._walked.add(id(namespace))
        else:
            self._walked.discard(id(namespace))  # a new dict may have the id of an old one
        if not fresh and (renewed or executed):
            self._renewed.add(id(namespace))
        return fresh or renewed or executed

    def is_renewed(self, namespace: dict[str, Any]) -> bool:
        """Whether a module has been executed again in its namespace, so that several generations live there.

        A namespace that merely appears again, such as that of a frozen module with a second name, has one generation.
        """
        return self.markers.is_shared(namespace) and id(namespace) in self._renewed

    def _has_new(self, found: Definitions) -> bool:
        """Whether a walk found code or classes that no round saw before."""
        codes = any(not is_in(self._codes, code) for code in found.codes)
        return codes or any(not is_in(self._classes, cls) for cls in found.classes)

    def _has_old(self, found: Definitions, name: str) -> bool:
        """Whether a walk found the module's own code of an earlier round: then the emptied namespace was put back."""
        codes = any(is_in(self._codes, f.__code__) for f in found.functions)
        own = [cls for cls in found.classes if foreign.class_module(cls) == name]
        return codes or any(is_in(self._classes, cls) for cls in own)

    def _is_any_new(self, found: Definitions) -> bool:
        """Whether a walk found code or classes that no round saw before, or a new function with old code."""
        return self._has_new(found) or any(map(self._is_made_again, found.functions))

    def _is_made_again(self, function: types.FunctionType) -> bool:
        """Whether a function is new but its code is not, since a loader keeps the code and executes it again."""
        is_old = (
            is_in(self.births[-1].functions, function)
            or self._firsts.of(function, self.births, Birth.FUNCTIONS) is not None
        )
        return not is_old and is_in(self._codes, function.__code__)

    def _file(
        self, birth: Birth, noted: RoundClasses, found: Definitions, name: str, *, executed: bool
    ) -> bool:
        """File what a walk found under a birth; return whether any of it is new.

        An object that an older round saw counts as current too, since in-place patchers leave unchanged code alone,
        unless it was superseded. It was superseded if this round executed the same definition again (the walk still
        finds the old object), or if the whole module, `name`, was `executed` again without defining it (a ghost).
        """
        new_codes = [code for code in found.codes if not is_in(self._codes, code)]
        new_classes = [cls for cls in found.classes if not is_in(self._classes, cls)]
        sites = set(map(site_of, new_codes))
        names = set(map(foreign.class_name, new_classes))
        given = () if name in noted.own else self.births[0].given_to_proxies(found)
        kept = [] if executed else [c for c in found.codes if site_of(c) not in sites or id(c) in given]
        again = {id(f): f for f in found.functions if executed and not new_codes and self._is_made_again(f)}
        if again:
            self._reused.update(
                (id(code), weakref.ref(code)) for code in found.codes if is_in(self._codes, code)
            )
        current = {id(c): c for c in (*kept, *new_codes, *(f.__code__ for f in again.values()))}
        classes = [
            c
            for c in found.classes
            if id(c) in given
            or not (foreign.class_name(c) in names or (executed and self._is_ghost(c, name)))
        ]
        classes += new_classes
        birth.codes.update((key, weakref.ref(code)) for key, code in current.items())
        made = [f for f in found.functions if id(f) in again or not is_in(self._reused, f.__code__)]
        birth.functions.update((id(f), weakref.ref(f)) for f in made if id(f.__code__) in current)
        birth.classes.update((id(cls), weakref.ref(cls)) for cls in classes)
        noted.made.update(map(id, new_classes))
        if name in noted.own:
            noted.own[name].update(map(id, classes))
        self._codes.update((id(code), weakref.ref(code)) for code in found.codes)
        self._classes.update((id(cls), weakref.ref(cls)) for cls in found.classes)
        return bool(new_codes or new_classes)

    def _is_ghost(self, cls: type, executed: str) -> bool:
        """Whether a class of a module that was executed again comes from an older execution; C types never do."""
        if foreign.class_module(cls) != executed:
            return False
        stamp = self._stamps.generation(type.__dict__["__module__"].__get__(cls))
        return stamp is not None and stamp < self.births[-1].generation

    def replaced(self, modules: Iterable[tuple[str, object]]) -> list[str]:
        """Names of the modules (as for `note`) that were replaced or executed again since the last round was noted."""
        out = []
        for name, module in modules:
            if (namespace := foreign.module_dict(module)) is None or not self.markers.count(name):
                continue
            if self._specs.is_new(name, namespace) or not self.markers.is_home(namespace):
                out.append(name)
        return out

    def prune(self) -> None:
        """Forget what is dead: otherwise the records of a long run on a clean target would grow, and look like a leak.

        Nothing is lost: an entry counts only while its reference lives, and markers find what a `__del__` resurrected.
        """
        if not self.births:  # a watched block without a warm-up settles before its first generation
            return
        self.births = pruned(self.births, self._more)
        self._firsts.clear()
        self.markers.prune()
        self._stamps.prune()

    def reference_count(self) -> int:
        """How many weak references the ledger holds."""
        tables = [*self._more, *(table for birth in self.births for table in birth.tables())]
        held = (reference for table in tables for reference in table.values())
        return len({id(reference) for reference in (*held, *self.markers.references())})

    def older(self, limit: int, *, but: int | None) -> Counter[int]:
        """The number of live objects of each generation before `limit`. Cheap, since it reads weak references only.

        Args:
            limit: generations below this one count.
            but: the generation that the check keeps and that does not count; `None` if there is none.
        """
        count = Counter(marker.generation for marker in self.markers.seen())
        newer = [birth for birth in self.births if birth.generation >= limit or birth.generation == but]
        for birth in self.births:
            if birth not in newer:
                alive = living(birth.functions, [n.functions for n in newer])
                count[birth.generation] += alive + living(birth.classes, [n.classes for n in newer])
        return Counter({g: number for g, number in count.items() if number and g < limit and g != but})

    def owns_namespace(self, namespace: dict[str, Any]) -> bool:
        """Whether a namespace belongs to the unit: by its marker, or else by its name, which a module may overwrite."""
        return self.markers.of(namespace) is not None or self.owns(foreign.module_name(namespace))

    def owns_class(self, cls: type) -> bool:
        """Whether a class belongs to the unit: by its `__module__`, or because a walk noted it."""
        is_named = self.owns(foreign.class_module(cls)) and not foreign.is_on_demand(cls)
        return is_named or is_in(self._classes, cls)

    def codes(self) -> Collection[int]:
        """Ids of the code that some round saw. Other code may have such an id by now (see `knows_code`)."""
        return self._codes.keys()

    def knows_code(self, function: types.FunctionType) -> bool:
        """Whether some round saw a function's code, wherever the function itself lives."""
        return is_in(self._codes, function.__code__)

    def live_classes(self, limit: int, but: int | None) -> list[tuple[type, int]]:
        """Noted classes that are alive and older than generation `limit`, with their generations."""
        alive = [o for b in self.births for reference in b.classes.values() if (o := reference()) is not None]
        dated = [(cls, self._class_born(cls)) for cls in alive]
        return [(cls, born) for cls, born in dated if born is not None and born < limit and born != but]

    def file_function(self, function: types.FunctionType) -> None:
        """Record a function as the newest generation's."""
        self._firsts.clear()
        birth, code = self.births[-1], function.__code__
        birth.functions[id(function)] = weakref.ref(function)
        birth.codes[id(code)] = self._codes[id(code)] = weakref.ref(code)

    def born(self, o: Any) -> int | None:
        """The generation that created a function, class, instance, module or namespace; `None` if not known."""
        if type(o) is types.FunctionType:
            return self._function_born(o)
        if type(o) is dict:
            return self.markers.generation(o)
        if foreign.is_class(o):
            return self._class_born(o) if self.owns_class(o) else None
        if foreign.is_module(o):
            return self._firsts.of(o, self.births, Birth.MODULES)
        return self._class_born(type(o)) if self.owns_class(type(o)) else None

    def _function_born(self, function: types.FunctionType) -> int | None:
        if is_left_over(function) or not (
            self.owns_namespace(function.__globals__) or self._is_of_emptied(function)
        ):
            return None  # a foreign wrapper, to which `functools.wraps` may have copied a `__module__`
        of_namespace = self.markers.generation(function.__globals__)
        if of_namespace is not None:
            return of_namespace
        is_reused = is_in(self._reused, function.__code__)
        last = self.births[-1]
        dated = function if is_reused else function.__code__
        if is_in(last.functions if is_reused else last.codes, dated):
            return self.current
        if not is_reused and is_in(self.births[0].functions, function):
            # A patcher renewed it in an earlier round but not in this one, so it is not in use any more.
            return self.births[0].generation
        first = self._firsts.of(dated, self.births, Birth.FUNCTIONS if is_reused else Birth.CODES)
        return first if first is not None else self._stamps.generation(function.__module__)

    def _is_of_emptied(self, function: types.FunctionType) -> bool:
        """Whether the program emptied a function's namespace, as some hosts do on unload, and so removed its name."""
        return not foreign.module_name(function.__globals__) and self.knows_code(function)

    def _class_born(self, cls: type) -> int | None:
        if is_in(self.births[-1].classes, cls):
            return self.current
        dates = [
            self._function_born(f) for f in functions_of(cls) if self.owns(foreign.module_name(f.__globals__))
        ]
        newest = max((d for d in dates if d is not None), default=None)
        first = self._firsts.of(cls, self.births, Birth.CLASSES)
        is_original = first == self.births[0].generation and newest != self.current
        if newest is not None and not is_original and (first is None or newest > first):
            return newest
        return (
            first if first is not None else self._stamps.generation(type.__dict__["__module__"].__get__(cls))
        )
