"""What CONTRIBUTING.md shows is true: the map has today's imports, and the recipes' diffs apply to today's tree."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"### (.+?)\n\n(?:(?!###).)*?```diff\n(.*?)\n```", PAGE, re.DOTALL))


def test_the_map_shows_the_imports_as_they_are():
    """The picture is drawn from the imports; run `python docs/map.py` after a change of them."""
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "map.py", "--check"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_every_extension_has_a_recipe():
    """Whoever adds one of these finds a worked example."""
    assert list(RECIPES) == [
        "A new registry",
        "A probe",
        "A strategy",
        "A known reference",
        "A preset",
        "A leak case with its twin",
        "A message",
    ]


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git, which reads the diffs")
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_applies(name, tmp_path):
    """Each diff applies to the tree as it is, so a reader can follow it."""
    (tmp_path / "recipe.diff").write_text(f"{RECIPES[name]}\n", encoding="utf-8")

    done = subprocess.run(
        ["git", "apply", "--check", tmp_path / "recipe.diff"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_every_path_that_the_page_names_is_there():
    """No room of the house that the page leads to has moved."""
    text = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    paths = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*(?:\.py|/))`", text))

    missing = [p for p in paths if not ((ROOT / p).exists() or (ROOT / "pytest_reloadleak" / p).exists())]
    assert missing == []
    assert len(paths) > 20
