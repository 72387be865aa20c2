"""Emptying the finders' caches: what becomes visible does so as with `importlib.invalidate_caches`, and cheaper."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys, importlib, os
how, folder = sys.argv[1:]
if how == "ours":
    from pytest_reloadleak.strategies.imports.finder_caches import invalidate_caches
elif how == "library":
    from importlib import invalidate_caches
else:
    invalidate_caches = lambda: None
os.chdir(folder)
for place in ("first", "second", "first/space", "later"):
    os.makedirs(place)
here = os.stat("first"), os.stat("later")
sys.path[:0] = [os.path.abspath("first"), os.path.abspath("second"), os.path.abspath("later")]
import space
try:
    import fresh
except ImportError:
    pass
os.makedirs("second/space")
open("second/space/portion.py", "w").close()
open("later/fresh.py", "w").close()
os.utime("later", ns=(here[1].st_atime_ns, here[1].st_mtime_ns))  # an edit that the time of the directory does not show
sys.path_importer_cache["gone"] = None
invalidate_caches()
found = []
for name in ("space.portion", "fresh"):
    try:
        found.append(importlib.import_module(name).__name__)
    except ImportError:
        pass
print(sorted(found), "gone" in sys.path_importer_cache, "importlib.metadata" in sys.modules)
"""


def said(how: str, folder: object) -> list[str]:
    """What the script prints: the modules that are found, and whether the library's module was imported."""
    command = [sys.executable, "-c", SCRIPT, how, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip().rsplit(" ", 1)


@pytest.mark.parametrize("how", ["ours", "library"])
def test_what_was_written_meanwhile_is_found(how, tmp_path):
    """A new portion of a namespace package, and a file that the directory's time does not betray."""
    assert said(how, tmp_path)[0] == "['fresh', 'space.portion'] False"


def test_without_it_not_all_is_found(tmp_path):
    """The cured twin of the test itself: what it looks for is not visible anyway."""
    assert "fresh" not in said("neither", tmp_path)[0]


def test_nothing_is_imported_for_it(tmp_path):
    """The module whose cache does not exist stays where it is."""
    assert said("ours", tmp_path)[1] == "False"
