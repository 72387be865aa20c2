import importlib.metadata
import re
from importlib.resources import files
from pathlib import Path

import pytest_reloadleak
from pytest_reloadleak import plugin

ROOT = Path(__file__).parent.parent
DISTRIBUTION = importlib.metadata.distribution("pytest-reloadleak")


def test_the_version_is_that_of_the_metadata():
    """The package's version, the installed metadata and pyproject.toml agree; there is no second place to edit."""
    written = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)

    assert written is not None
    assert written[1] == pytest_reloadleak.__version__ == DISTRIBUTION.version


def test_the_changelog_begins_with_this_version():
    """Whoever installs this version finds what is new in it on top of the changelog."""
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert newest is not None
    assert newest[1] == pytest_reloadleak.__version__


def test_the_annotations_are_shipped():
    """Type checkers of users read our annotations: the installed package holds the marker that says so."""
    assert files(pytest_reloadleak).joinpath("py.typed").is_file()


def test_pytest_finds_the_plugin():
    """The entry point that pytest follows in every run leads to the plugin."""
    (entry_point,) = DISTRIBUTION.entry_points.select(group="pytest11")

    assert entry_point.name == "reloadleak"
    assert entry_point.load() is plugin


def test_the_classifiers_name_every_supported_python():
    """The metadata promises the versions that the noxfile tests, no more and no fewer."""
    tested = re.search(r"for version in \((.+?)\)", (ROOT / "noxfile.py").read_text())
    promised = re.findall(r"Python :: (3\.\d+)", "\n".join(DISTRIBUTION.metadata.get_all("Classifier", [])))

    assert tested is not None
    assert promised == re.findall(r"3\.\d+", tested[1])


def test_the_licence_is_shipped():
    """Who redistributes the package has the licence's text with it."""
    assert DISTRIBUTION.metadata["License-Expression"] == "MIT"
    assert "The pytest-reloadleak authors" in (DISTRIBUTION.read_text("licenses/LICENSE") or "")
