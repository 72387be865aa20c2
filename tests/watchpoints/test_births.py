"""What appeared in a traced round and is still there at its end."""

from pytest_reloadleak.watchpoints.births import Birth, Births


def test_what_is_gone_again_is_forgotten():
    """A line may open a file, and another one close it: only what stays has a line."""
    births = Births()
    births.add(("fd", 3), "file", ())
    births.add(("fd", 4), "file", ())

    births.keep({("fd", 4)})

    assert births.items() == [(("fd", 4), Birth("file", ()))]


def test_what_appears_again_has_its_latest_line():
    """A number that was closed and opened again belongs to the line that opened it last."""
    births = Births()
    births.add(("fd", 3), "first", ())
    births.keep(())
    births.add(("fd", 3), "second", ())

    assert births.items() == [(("fd", 3), Birth("second", ()))]
