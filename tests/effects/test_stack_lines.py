"""Lines of stacks, as terminals and editors link them."""

import asyncio
import os
import sys

import pytest

from pytest_reloadleak.effects import stack_lines


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("app/weather.py", os.path.join("app", "weather.py")),
        ("../beside/weather.py", "{parent}/beside/weather.py"),
        (asyncio.__file__, "__init__.py"),
        (pytest.__file__, "__init__.py"),
    ],
    ids=["below", "beside", "standard library", "installed"],
)
def test_a_file_is_shown_so_that_it_can_be_opened(tmp_path, monkeypatch, file, shown):
    """The program's own by a path from the working directory or the whole path; a library's by its name."""
    monkeypatch.chdir(tmp_path)
    whole = os.path.normpath(tmp_path / file)

    assert stack_lines.path(whole) == shown.format(parent=tmp_path.parent)


def test_a_frame_is_shown_with_its_line(monkeypatch):
    """Line and function follow."""
    monkeypatch.chdir(os.path.dirname(__file__))
    frame = sys._getframe()

    line, shown = frame.f_lineno, stack_lines.at(frame)

    assert shown == f"at test_stack_lines.py:{line} in test_a_frame_is_shown_with_its_line"


@pytest.mark.skipif(sys.platform == "win32", reason="the working directory cannot be removed there")
def test_a_working_directory_that_is_gone_is_no_error(tmp_path, monkeypatch):
    """Then the whole path is shown."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert stack_lines.path("/elsewhere/app.py") == "/elsewhere/app.py"
