"""Names as a phrase that stays short."""

import pytest

from pytest_reloadleak.verdict.enumeration import parts, phrase


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, ""),
        (1, "a"),
        (2, "a and b"),
        (3, "a, b and c"),
        (4, "a, b, c and d"),
        (5, "a, b, c and 2 more"),
        (13, "a, b, c and 10 more"),
    ],
)
def test_all_of_a_few_names_are_written_and_of_many_the_first(count, text):
    """A count stands for at least two names: in its place one name fits as well."""
    names = tuple("abcdefghijklm"[:count])

    assert phrase(names) == text
    assert len(parts(names)) <= 4
