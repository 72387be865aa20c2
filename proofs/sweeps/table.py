"""Make `docs/sweeps.md` and `docs/sweeps-packages.md` of the result files.

    python proofs/sweeps/table.py

Everything in the tables comes from `results/*.jsonl`; causes and explanations are data (`causes.py`,
`explanations.py`); what stands around the tables is in `proofs/sweeps/prose/`.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import explanations
from causes import cause_of
from comparing import Row

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PROSE = HERE / "prose"
DOCS = HERE.parents[1] / "docs"

_Rows = dict[str, list[Row]]
"""Rows by version of Python."""


def read(what: str) -> _Rows:
    """The rows of each result file of a sweep, by version, oldest first."""
    out = {}
    for file in RESULTS.glob(f"{what}-*.jsonl"):
        lines = map(json.loads, file.read_text(encoding="utf-8").splitlines())
        out[file.stem.rpartition("-")[2]] = [Row(**{"strategy": "", "oracle": "", **line}) for line in lines]
    return dict(sorted(out.items(), key=lambda item: _version(item[0])))


def _version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> list[str]:
    """A table in Markdown."""
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]


def code(text: str, most: int = 110) -> str:
    """Text in code style, cut in the middle if it is long."""
    if len(text) > most:
        text = f"{text[: most // 2 - 2]} ... {text[-most // 2 + 3 :]}"
    return f"`{text}`" if text else ""


# -- totals -----------------------------------------------------------------------------------------------------------

OUTCOMES = ("clean", "bounded", "growing", "inconclusive", "error")


def totals(sweeps: dict[str, _Rows]) -> list[str]:
    """One line a result file."""
    lines = []
    for what, by_version in sweeps.items():
        for version, rows in by_version.items():
            checked = [row for row in rows if row.strategy]
            count = Counter(row.outcome for row in checked)
            differing = [d for row in checked for d in explanations.explained(row, _version(version))]
            lines.append([
                what, version, len({row.module for row in checked}), len(rows) - len(checked), len(checked),
                *(count[outcome] for outcome in OUTCOMES),
                sum(why is not None for _, why in differing), sum(why is None for _, why in differing),
            ])  # fmt: skip
    head = ("sweep", "Python", "modules", "refused", "checks", *OUTCOMES, "explained", "unexplained")
    return table(head, lines)


# -- leaks ------------------------------------------------------------------------------------------------------------


def leaks(by_version: _Rows, growth: str) -> list[str]:
    """One line for each module and holder, over strategies and versions; of what is bounded, one line a module."""
    seen: dict[tuple[str, str, str], dict[str, Any]] = {}
    for version, rows in by_version.items():
        for row in rows:
            if row.outcome != growth:
                continue
            found = [finding for finding in row.findings if finding[1] == growth]
            for finding in found if growth == "growing" else sorted(found, key=_plainest)[:1]:
                kind, _, _, path, held, _ = finding
                key = (row.module, kind, path) if growth == "growing" else (row.module, "", "")
                entry = seen.setdefault(
                    key, {"kind": kind, "path": path, "held": held, "where": {}, "most": 0}
                )
                entry["where"].setdefault(row.strategy, []).append(version)
                entry["most"] = max(entry["most"], row.count or len(row.findings))
    lines = []
    for (module, _, _), entry in sorted(seen.items()):
        why = cause_of(module, entry["kind"], growth, entry["path"])
        more = [] if growth == "growing" else [entry["most"]]
        lines.append([
            code(module), _where(entry["where"], by_version), entry["kind"], *more,
            code(entry["path"]), code(entry["held"]), why or "**not written down**",
        ])  # fmt: skip
    more = [] if growth == "growing" else ["findings"]
    return table(("module", "under", "kind", *more, "holder", "holds", "cause"), lines)


def number(by_version: _Rows, what: str) -> list[str]:
    """How many modules leak more with each reload, and from how many causes."""
    grown = [
        (row.module, cause_of(row.module, kind, growth, path))
        for rows in by_version.values()
        for row in rows
        for kind, growth, _, path, _, _ in row.findings
        if growth == "growing"
    ]
    modules = {module for module, _ in grown}
    tops = {module.partition(".")[0] for module in modules}
    causes = {why for _, why in grown}
    return [
        f"{len(modules)} modules of {len(tops)} {what} grow with each reload; there are {len(causes)} causes."
    ]


def _plainest(finding: list[str]) -> tuple[int, str]:
    return (len(re.findall(r"[.\[<]", finding[3])), finding[3])


def _where(where: dict[str, list[str]], by_version: _Rows) -> str:
    everywhere = all(len(set(versions)) == len(by_version) for versions in where.values())
    names = ", ".join(sorted(where))
    if everywhere or len(by_version) == 1:
        return names
    return (
        names + " on " + ", ".join(sorted({v for versions in where.values() for v in versions}, key=_version))
    )


# -- errors and disagreements -----------------------------------------------------------------------------------------

_ERRORS = (
    (
        r"could not be imported.*(No module named|cannot import name|windll)",
        "needs what is not installed here, or another platform",
    ),
    (r"could not be imported", "cannot be imported by itself"),
    (r"timeout", "did not end in time"),
    (r"the reload raised", "its reload raises"),
    (r"was not reloaded", "its reload does nothing"),
    (r"ended by signal|exited with status", "ended the process"),
)  # fmt: skip


def errors(by_version: _Rows) -> list[str]:
    """Checks that could not be done, by cause."""
    groups: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for version, rows in by_version.items():
        for row in rows:
            if row.outcome in {"error", "inconclusive"}:
                why = next((why for pattern, why in _ERRORS if re.search(pattern, row.error)), row.error)
                groups[why][row.module].add(f"{row.strategy} {version}")
    lines = []
    for why, modules in sorted(groups.items(), key=lambda item: -len(item[1])):
        names = sorted(modules)
        shown = ", ".join(map(code, names[:12])) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        lines.append([why, len(names), shown])
    return table(("cause", "modules", "which"), lines)


def disagreements(sweeps: dict[str, _Rows]) -> list[str]:
    """Where the oracle says something else, with the reason."""
    groups: dict[tuple[str, str], set[str]] = defaultdict(set)
    counts: Counter[tuple[str, str]] = Counter()
    for by_version in sweeps.values():
        for version, rows in by_version.items():
            for row in rows:
                for difference, found in explanations.explained(row, _version(version)):
                    key = (
                        found.difference if found else difference,
                        found.why if found else "**not explained**",
                    )
                    groups[key].add(row.module)
                    counts[key] += 1
    lines = [
        [", ".join(map(code, sorted(groups[key]))), counts[key], key[0], key[1]] for key in sorted(groups)
    ]
    return table(("modules", "times", "tool against oracle", "why"), lines)


# -- packages ---------------------------------------------------------------------------------------------------------


def packages(by_version: _Rows) -> list[str]:
    """One line a package."""
    count: dict[str, Counter[str]] = defaultdict(Counter)
    modules: dict[str, set[str]] = defaultdict(set)
    for rows in by_version.values():
        for row in rows:
            top = row.module.partition(".")[0]
            count[top][row.outcome] += 1
            modules[top].add(row.module)
    lines = [
        [code(top), len(modules[top]), *(count[top][outcome] or "" for outcome in OUTCOMES)]
        for top in sorted(modules, key=str.lower)
    ]
    return table(("package", "modules", *OUTCOMES), lines)


# -- pages ------------------------------------------------------------------------------------------------------------


def page(name: str, parts: dict[str, list[str]]) -> None:
    """Write a page: its prose with each `{{part}}` filled in."""
    text = (PROSE / f"{name}.md").read_text(encoding="utf-8")
    for key, lines in parts.items():
        text = text.replace("{{" + key + "}}", "\n".join(lines))
    left = re.findall(r"\{\{.*?\}\}", text)
    if left:
        raise SystemExit(f"{name}.md: nothing to fill in for {', '.join(left)}")
    (DOCS / f"{name}.md").write_text(text, encoding="utf-8")


def missing(sweeps: dict[str, _Rows]) -> Iterator[str]:
    """Growing leaks without a cause, and disagreements without an explanation."""
    for by_version in sweeps.values():
        for version, rows in by_version.items():
            for row in rows:
                for kind, growth, _, path, held, _ in row.findings:
                    if growth == "growing" and not cause_of(row.module, kind, growth, path):
                        yield f"no cause: {row.module} ({row.strategy}, {version}): {kind} {path} holds {held}"
                for difference, found in explanations.explained(row, _version(version)):
                    if found is None:
                        yield f"no explanation: {row.module} ({row.strategy}, {version}): {difference}"


def main() -> None:
    sweeps = {"standard library": read("stdlib"), "packages": read("packages")}
    library, others = sweeps.values()
    page("sweeps", {
        "totals": totals(sweeps),
        "library growing": leaks(library, "growing"),
        "library number": number(library, "top-level modules"),
        "packages number": number(others, "packages"),
        "library bounded": leaks(library, "bounded"),
        "library errors": errors(library),
        "packages growing": leaks(others, "growing"),
        "package errors": errors(others),
        "disagreements": disagreements(sweeps),
        "best": (PROSE / "best.md").read_text(encoding="utf-8").splitlines(),
    })  # fmt: skip
    page("sweeps-packages", {"packages": packages(others), "bounded": leaks(others, "bounded")})
    left = list(missing(sweeps))
    print("\n".join(left) or "each growing leak has a cause, and each disagreement an explanation")
    sys.exit(bool(left))


if __name__ == "__main__":
    main()
