#!/usr/bin/env python3
"""Write the table of options in `configuration.md` from the definitions in `pytest_reloadleak/plugin.py`.

    python docs/options.py            rewrite the table
    python docs/options.py --check    exit with 1 if it is out of date

The help text is the meaning, so the page and `pytest --help` cannot differ. A link leads to the section or page that
says more.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGE = Path(__file__).with_name("configuration.md")
BEGIN, END = "<!-- options: begin (python docs/options.py) -->", "<!-- options: end -->"

MORE = {
    "check": "#outcomes-and-exit-status",
    "target": "#targets-and-node-ids",
    "strategy": "strategies.md",
    "preset": "presets.md#for-all-targets",
    "unload": "effects.md#unloading",
    "probes": "effects.md",
    "jobs": "#several-checks-at-once",
    "force": "how-it-works.md",
    "ignore": "#ignores",
    "baseline": "#the-baseline",
    "update-baseline": "#the-baseline",
    "json": "json.md",
    "sarif": "ci.md",
    "codequality": "ci.md",
    "annotations": "ci.md",
}
"""Where to read more about an option, by its name without `--reload-leak-`."""


class Option(NamedTuple):
    """A definition, as the plugin gives it to pytest."""

    name: str
    value: str
    """What it takes, as `--help` shows it; empty for a switch."""
    help: str
    destination: str
    is_switch: bool


class Definitions:
    """Stands in for pytest's parser, and keeps what the plugin defines."""

    def __init__(self) -> None:
        self.options: list[Option] = []
        self.ini: dict[str, str] = {}

    def getgroup(self, *_: str) -> Definitions:
        """All options are in one group."""
        return self

    def addoption(self, name: str, **keywords: object) -> None:
        """Keep an option."""
        choices = keywords.get("choices")
        value = "|".join(map(str, choices)) if isinstance(choices, tuple) else keywords.get("metavar") or ""
        destination = str(keywords.get("dest") or name.strip("-").replace("-", "_"))
        is_switch = keywords.get("action") == "store_true"
        self.options.append(Option(name, str(value), str(keywords.get("help")), destination, is_switch))

    def addini(self, name: str, help: str, **_: object) -> None:  # noqa: A002 - pytest's name for it
        """Keep an ini key."""
        self.ini[name] = help

    def key(self, option: Option) -> str | None:
        """The ini key that sets the same value: its name is that of the option, or the plural."""
        stem = option.destination
        names = (stem, f"{stem}s", f"{stem.removesuffix('y')}ies")
        is_off = option.name.startswith("--no-")
        return None if is_off else next((name for name in names if name in self.ini), None)


def defined() -> Definitions:
    """The options and ini keys of the plugin."""
    sys.path.insert(0, str(ROOT))
    from pytest_reloadleak import plugin

    definitions = Definitions()
    plugin.pytest_addoption(definitions)  # type: ignore[arg-type]  # it needs no more of a parser
    return definitions


def row(option: Option, key: str | None) -> str:
    """The line of the table for an option."""
    meaning, _, default = option.help.partition(" (default: ")
    default, _, rest = default.partition(")")
    default = default or ("off" if option.is_switch else "")
    spelled = f"{option.name}={option.value}" if option.value else option.name
    more = MORE.get(option.name.removeprefix("--reload-leak-"))
    meaning = f"{meaning}{rest}" + (f" ([more]({more}))" if more else "")
    cells = (f"`{spelled}`", f"`{key}`" if key else "", default, meaning)
    return "| " + " | ".join(re.sub(r"\|", r"\\|", cell) for cell in cells) + " |"


def table() -> str:
    """The whole table."""
    definitions = defined()
    rows = [row(option, definitions.key(option)) for option in definitions.options]
    return "\n".join(["| option | ini | default | meaning |", "|---|---|---|---|", *rows])


def page() -> str:
    """The page with the table as it should be."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Run as a script."""
    text = page()
    if sys.argv[1:] == ["--check"]:
        sys.exit(
            0 if text == PAGE.read_text(encoding="utf-8") else f"{PAGE.name}: run python docs/options.py"
        )
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
