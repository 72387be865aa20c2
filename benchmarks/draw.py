"""Draw the figures of `table.py`, `peers.py` and `linear.py`, and write them into `docs/performance.md` as tables.

    python benchmarks/draw.py FILE

FILE is what they wrote with `--json`. Nothing is measured here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"


def draw(figures: dict[str, Any], folder: Path) -> None:
    """Plots as small SVG files: the series, the table and the peers."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "reloadleak", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot as plt

    folder.mkdir(exist_ok=True)
    for what in dict.fromkeys(one["what"] for one in figures.get("linear", [])):
        points = [one for one in figures["linear"] if one["what"] == what]
        figure, axes = plt.subplots(figsize=(3.6, 2.6))
        numbers = [one["number"] for one in points]
        axes.loglog(numbers, [one["check_s"] for one in points], "o-", label="leaking check")
        axes.loglog(numbers, [one["bare_s"] for one in points], "s--", label="bare reloads")
        axes.set(xlabel=what, ylabel="seconds of processor time")
        axes.legend(frameon=False)
        _save(figure, folder / f"{what.replace(' ', '-')}.svg")
    for part, size in (("table", (6.4, 3.0)), ("peers", (6.4, 2.8))):
        rows = figures.get(part, [])
        if not rows:
            continue
        figure, axes = plt.subplots(figsize=size)
        names = [_title(one) for one in rows][::-1]
        axes.barh(names, [one["u"] for one in rows][::-1], color="#4878a8")
        axes.set(xscale="log", xlabel="U (ten bare reloads and one collection)")
        for at, one in enumerate(rows[::-1]):
            axes.text(one["u"], at, f" {one['u']:.1f}", va="center")
        _save(figure, folder / f"{part}.svg")


def _title(one: dict[str, Any]) -> str:
    heap = f"{one['objects'] / 1e6:.2g} M" if one["objects"] >= 100_000 else f"{one['objects'] // 1000} k"
    return f"{one['name']}, {heap}{' shuffled' if one.get('order') == 'shuffled' else ''}"


def _save(figure: Any, file: Path) -> None:
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})


def tables(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = ["| check | heap | measured | goal |", "|---|---|---|---|"]
    for one in figures.get("table", []):
        heap = f"{one['objects']:,}, {one['order']}"
        lines.append(
            f"| {one['name']} | {heap} | {one['u']:.1f} U ({one['check_s']:.2f} s) | {one['goal']:g} U |"
        )
    lines += ["", "| tool | processor time | U | what it says |", "|---|---|---|---|"]
    for one in figures.get("peers", []):
        lines.append(f"| {one['name']} | {one['s']:.2f} s | {one['u']:.1f} | {one['says']} |")
    if "linear" in figures:
        lines += ["", "| of a leaking check | | check | bare reloads | ratio |", "|---|---|---|---|---|"]
    for one in figures.get("linear", []):
        times = f"{one['check_s']:.2f} s | {one['bare_s']:.2f} s | {one['check_s'] / one['bare_s']:.1f}"
        lines.append(f"| {one['what']} | {one['number']:,} | {times} |")
    return "\n".join(lines)


def main() -> None:
    """Draw, and replace the tables of the page."""
    figures = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    draw(figures, DOCS / "performance")
    page = DOCS / "performance.md"
    head, begin, rest = page.read_text(encoding="utf-8").partition("<!-- figures: begin -->\n")
    _, end, tail = rest.partition("<!-- figures: end -->")
    page.write_text(f"{head}{begin}\n{tables(figures)}\n\n{end}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
