#!/usr/bin/env python3
"""Draw the map of the package in CONTRIBUTING.md from the imports as they are.

    python docs/map.py            rewrite the map
    python docs/map.py --check    exit with 1 if it is out of date

A box is a wing or a module of the top floor; an arrow says that one imports the other. An arrow that a longer way
implies is left out (transitive reduction), or the picture would show every pair.
"""

from __future__ import annotations

import ast
import re
import sys
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "pytest_reloadleak"
PAGE = ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- map: begin (python docs/map.py) -->", "<!-- map: end -->"


def imports() -> dict[str, set[str]]:
    """Which wings each wing imports, by the names of its folders and top-level modules."""
    graph: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        wing = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if wing == "__init__":  # hands on names of every wing, when they are asked for
            continue
        names = graph.setdefault(wing, set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pytest_reloadleak"):
                inner = (node.module or "").split(".")[1:]
                names.update(inner[:1] or [alias.name for alias in node.names])
    return {wing: names - {wing} for wing, names in graph.items()}


def reduced(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same graph without arrows that a longer way implies."""
    below: dict[str, set[str]] = {}
    for wing in TopologicalSorter(graph).static_order():
        below[wing] = set().union(*({name} | below[name] for name in graph.get(wing, ())))
    return {
        wing: {name for name in names if not any(name in below[other] for other in names)}
        for wing, names in graph.items()
    }


def purpose(wing: str) -> str:
    """The beginning of a wing's docstring, which says what it does."""
    folder = PACKAGE / wing / "__init__.py"
    path = folder if folder.exists() else PACKAGE / f"{wing}.py"
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return re.split(r"[,;:.(]", text.splitlines()[0])[0].replace("`", "").replace('"', "'").strip()


def drawing() -> str:
    """The map as a Mermaid flow chart, in an order that depends on names alone."""
    graph = reduced(imports())
    lines = ["```mermaid", "flowchart TD"]
    for wing in sorted(graph):
        slash = "/" if (PACKAGE / wing).is_dir() else ".py"
        lines.append(f'    {wing}["<b>{wing}{slash}</b><br/>{purpose(wing)}"]')
    lines += [f"    {wing} --> {name}" for wing in sorted(graph) for name in sorted(graph[wing])]
    return "\n".join([*lines, "```"])


def page() -> str:
    """CONTRIBUTING.md with the map as it should be."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n{drawing()}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Run as a script."""
    text = page()
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if text == PAGE.read_text(encoding="utf-8") else f"{PAGE.name}: run python docs/map.py")
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
