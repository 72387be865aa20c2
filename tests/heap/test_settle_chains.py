"""Settling continues while collections free something, even if the last object is the one waited for."""

import gc

import pytest

from pytest_reloadleak.heap import settle


class Link:
    """An object that only a collection frees, and that lets go of the next one when it dies."""

    def __init__(self, waiting, number):
        self.waiting, self.number, self.itself = waiting, number, self

    def __del__(self):
        self.waiting.pop(self.number + 1, None)


@pytest.mark.parametrize("length", [1, 5, 15])
def test_a_chain_is_followed_to_its_end(length):
    """The number of what is waited for falls only when the last link has died."""
    waiting = {}
    for number in range(1, length):
        waiting[number] = Link(waiting, number)
    gc.collect()
    Link(waiting, 0)

    collections = settle.settle(lambda: bool(waiting), lambda: None, is_patient=lambda: False)

    assert waiting == {}
    assert collections >= max(length - 1, 1)


def test_what_never_dies_costs_few_collections():
    """Where a collection frees nothing, the next would not either."""
    settle.settle(lambda: 0, lambda: None, is_patient=lambda: False)
    assert settle.settle(lambda: 1, lambda: None, is_patient=lambda: False) <= 3


@pytest.mark.parametrize("numbers", [(1,), (1, 2)], ids=["the same", "more and less"])
def test_what_makes_garbage_whenever_it_is_asked_is_not_followed_for_ever(numbers):
    """The number of collections is bounded, also where threads come and go."""
    asked = []

    def ask():
        Link({}, 0)
        asked.append(1)
        return numbers[len(asked) % len(numbers)] if len(asked) < 100 else 0

    assert settle.settle(ask, lambda: None, is_patient=lambda: False) < 60
