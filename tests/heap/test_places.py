"""The file that a report names for a class is the one in which the class was written."""

import dataclasses
import enum
import functools

from pytest_reloadleak.heap.describe import describe


@dataclasses.dataclass
class Row:
    x: float


class Colour(enum.Enum):
    RED = 1

    def mixed(self):
        return self


class Wrapped:
    @functools.wraps(dataclasses.fields)
    def fields(self):
        return self

    def own(self):
        return self


class Empty:
    pass


def test_a_class_is_where_it_was_written():
    """Also if all its methods were generated from text, or a library wrapped the first one."""
    assert [describe(cls, str).file for cls in (Row, Colour, Wrapped)] == [__file__] * 3


def test_an_instance_is_where_its_class_was_written():
    """It has no place of its own."""
    assert describe(Row(1.0), str).file == __file__


def test_a_class_without_functions_shows_no_file():
    """Better none than a wrong one."""
    assert describe(Empty, str).file is None
