"""Sources that are parsed for what they define: warnings are not given twice, and no file ends a check."""

import ast
import warnings

import pytest

from pytest_reloadleak.heap.sources import parsed, statements, walk


def test_the_warnings_of_a_source_are_not_given_again():
    """Its import gave them."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(parsed('pattern = "\\d"\n'), ast.Module)


def test_the_statements_of_a_file(tmp_path):
    """In the encoding that the file declares."""
    file = tmp_path / "shop.py"
    file.write_bytes("# coding: latin-1\nname = '\xe9'\ndef sell(): pass\n".encode("latin-1"))

    assert [type(node) for node in statements(str(file))] == [ast.Assign, ast.FunctionDef]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("gone.py", None),
        ("torn.py", b"def (\n"),
        ("null.py", b"a = 1\0\n"),
        ("coded.py", b"# coding: no-such-codec\na = 1\n"),
        ("native.so", b"a = 1\n"),
        ("folder.py", "folder"),
        ("", None),
    ],
)
def test_what_is_no_source_has_no_statements(name, content, tmp_path):
    """A module's `__file__` may name anything."""
    file = tmp_path / name
    if content == "folder":
        file.mkdir()
    elif content is not None:
        file.write_bytes(content)

    assert statements(str(file) if name else "") == []


NAMED = """
from bus import (
    listeners,
    on_event as heard,
)

@listeners.on(
    heard,
)
def handle(event, reply=lambda heard: 1):
    if event:
        class Inner:
            heard = [
                listeners for listeners in event
                if heard
            ]
    else:
        with event as heard: pass
    ﬁnd = heard

try: handle(
    event=find,
    reply=1)
except listeners as find: raise
"""


@pytest.mark.parametrize(
    "word", ["heard", "listeners", "on_event", "handle", "event", "reply", "Inner", "find", "gone"]
)
def test_the_nodes_around_a_word_are_those_of_a_full_walk(word, tmp_path):
    """In the same order; `ﬁnd` with a ligature is the name `find`."""
    file = tmp_path / "shop.py"
    file.write_text(NAMED, encoding="utf-8")

    everything = list(ast.walk(ast.parse(NAMED)))
    naming = [node for node in everything if word in {v for v in vars(node).values() if type(v) is str}]
    found = [ast.dump(node) for node in walk(str(file), word)]

    assert [dump for dump in found if dump in set(map(ast.dump, naming))] == list(map(ast.dump, naming))
    assert len(found) < len(everything)
