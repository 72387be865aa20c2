"""Remove one reference: by the operations of CPython's own types, past whatever a subclass overrides."""

import collections
import functools
import gc
import types

import pytest

from pytest_reloadleak.cutting import edges


class Thing:
    """Something that is held."""


class Deaf(list):
    """A list whose own methods do nothing."""

    def __delitem__(self, index):
        raise AssertionError("it was called")

    remove = pop = clear = __setitem__ = __delitem__


class DeafDict(dict):
    """A dict whose own methods do nothing."""

    def __delitem__(self, key):
        raise AssertionError("it was called")

    pop = clear = __setitem__ = __delitem__


class Slotted:
    """An instance without a dict."""

    __slots__ = ("held", "other")

    def __delattr__(self, name):
        raise AssertionError("it was called")


class Open:
    """An instance with a dict."""

    def __delattr__(self, name):
        raise AssertionError("it was called")


class Meta(type):
    """A metaclass that refuses every deletion."""

    def __delattr__(cls, name):
        raise AssertionError("it was called")


def attribute(owner, held):
    """The owner with an attribute."""
    owner.held = held
    return owner


def closure(held):
    """A function that closes over it."""

    def inner():
        return held

    return inner


def with_defaults(held):
    """A function that has it as a default."""

    def inner(first=1, second=held, *, third=held):
        return first, second, third

    return inner


def of_class(held):
    """A class that has it."""
    return Meta("Made", (), {"held": held})


def cached(held):
    """A cache that has it."""

    @functools.lru_cache
    def remember(o):
        return None

    remember(held)
    return remember


def ordered(held):
    """An ordered dict that has it."""
    return collections.OrderedDict([("a", 1), ("b", held)])


OWNERS = {
    "list": lambda held: ([1, held, 2, held], lambda o: o == [1, 2]),
    "list of an own class": lambda held: (Deaf([held, 1]), lambda o: list(o) == [1]),
    "dict value": lambda held: ({"a": held, "b": 1}, lambda o: o == {"b": 1}),
    "dict key": lambda held: ({held: 1, "b": 1}, lambda o: o == {"b": 1}),
    "dict of an own class": lambda held: (DeafDict(a=held, b=1), lambda o: dict(o) == {"b": 1}),
    "ordered dict": lambda held: (ordered(held), lambda o: list(o.items()) == [("a", 1)]),
    "set": lambda held: ({held, 1}, lambda o: o == {1}),
    "deque": lambda held: (collections.deque([1, held, 2]), lambda o: list(o) == [1, 2]),
    "attribute": lambda held: (attribute(Open(), held), lambda o: vars(o) == {}),
    "slot": lambda held: (attribute(Slotted(), held), lambda o: not hasattr(o, "held")),
    "attribute of an exception": lambda held: (attribute(ValueError(), held), lambda o: vars(o) == {}),
    "cell": lambda held: (closure(held).__closure__[0], lambda o: o == types.CellType()),
    "lru_cache": lambda held: (cached(held), lambda o: o.cache_info().currsize == 0),
}


@pytest.mark.parametrize("case", OWNERS)
def test_the_reference_is_removed_and_nothing_else(case):
    """All references from the owner to the object are removed, and its other references stay."""
    held = Thing()
    owner, is_right = OWNERS[case](held)

    remove = edges.removal((owner, held), 1, {id(held)})
    remove()

    assert is_right(owner)
    remove()  # what is gone already is no error


def test_an_attribute_of_a_class_is_deleted_past_its_metaclass():
    """The real dict of a class must not be changed directly: the interpreter has caches of it."""
    held = Thing()
    cls = of_class(held)
    (namespace,) = gc.get_referents(vars(cls))

    edges.removal((cls, namespace, held), 2, {id(held)})()

    assert not hasattr(cls, "held")


def test_a_default_is_replaced_by_none():
    """The other defaults still belong to their parameters."""
    held = Thing()
    function = with_defaults(held)

    edges.removal((function, function.__defaults__, held), 2, {id(held)})()
    edges.removal((function, function.__kwdefaults__, held), 2, {id(held)})()

    assert function.__defaults__ == (1, None)
    assert function.__kwdefaults__ == {}


FIXED = {
    "tuple": lambda held: (held,),
    "frozenset": lambda held: frozenset([held]),
    "bound method": lambda held: types.MethodType(print, held),
    "partial": lambda held: functools.partial(print, held),
    "map": lambda held: map(held, []),
    "property": property,
    "mapping proxy": lambda held: types.MappingProxyType({"a": held}),
}


@pytest.mark.parametrize("case", FIXED)
def test_what_cannot_let_go_is_known(case):
    """Then the reference to the owner must be removed."""
    held = Thing()

    assert edges.removal((FIXED[case](held), held), 1, {id(held)}) is None


PLACES = {
    "list": lambda o: ([0, o], lambda owner: owner[1]),
    "dict": lambda o: ({"a": o}, lambda owner: owner["a"]),
    "attribute": lambda o: (attribute(Open(), o), lambda owner: owner.held),
    "slot": lambda o: (attribute(Slotted(), o), lambda owner: owner.held),
    "cell": lambda o: (closure(o).__closure__[0], lambda owner: owner.cell_contents),
}


@pytest.mark.parametrize("case", PLACES)
def test_a_tuple_is_replaced_by_one_without_the_object(case):
    """What shares a tuple with an old generation stays, nested tuples included."""
    held, kept = Thing(), Thing()
    fixed = (kept, (held, 1))
    owner, now = PLACES[case](fixed)

    (place,) = edges.places((owner, fixed), 1)
    edges.release(place, {id(held)})

    assert now(owner) == (kept, (1,))
