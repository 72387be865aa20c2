"""Amounts as people read them."""

import pytest

from pytest_reloadleak.verdict.amounts import amount, counted, size


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.2, "0.2"), (1.0, "1"), (1.5, "1.5"), (999.5, "999.5"), (3000.5, "3,000"), (5e6, "5,000,000")],
)
def test_a_number_has_no_exponent(value, text):
    """Digits of a large one are in groups."""
    assert amount(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "1 byte"), (432, "432 bytes"), (1024, "1.0 KiB"), (20_048, "19.6 KiB"), (2 << 30, "2048.0 MiB")],
)
def test_bytes_have_a_unit(value, text):
    """The largest of three that leaves at least one."""
    assert size(value) == text


@pytest.mark.parametrize(("value", "text"), [(1, "1 item"), (0.5, "0.5 items"), (3000, "3,000 items")])
def test_a_noun_agrees_with_its_number(value, text):
    """One item, and several of all other numbers."""
    assert counted(value, "item") == text
