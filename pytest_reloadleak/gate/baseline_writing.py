"""Write the baseline so that the team's reasons, comments and order of lines survive."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from pytest_reloadleak.gate.baseline import FIELDS, Baseline, Comparison, Entry, renamed

_HEADER = """\
# Reload leaks that this project knows and accepts for now. Give each a reason.
# Written by pytest --reload-leak-update-baseline, which keeps reasons and comments.
"""
_TABLE = re.compile(r"[ \t]*\[\[[ \t]*findings[ \t]*\]\][ \t]*(#.*)?\r?\n?")

_TOKEN = re.compile(r"""\"{3}|'{3}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|#""")
"""Text that may contain a quote: the opening of a long string, a whole short string, or a comment."""
_CLOSING = {'"""': re.compile(r'(?:\\.|[^\\])*?"""', re.DOTALL), "'''": re.compile(r".*?'''", re.DOTALL)}


def updated(baseline: Baseline, compared: Comparison, gone: Iterable[Entry], today: str) -> str:
    """The text of the new baseline.

    Args:
        baseline: the baseline before.
        compared: how this session's checks differ from it.
        gone: entries of targets that no longer exist. A new finding that is the same leak under another name of its
            target gets the reason and the day of the old entry.
        today: the day for new entries, as YYYY-MM-DD.
    """
    gone = list(gone)
    dropped = {entry.signature for entry in (*compared.fixed, *gone)}
    header, chunks = _chunks(baseline)
    texts = {e.signature: text for e, text in zip(baseline.entries, chunks, strict=True)}
    kept = [(entry, texts[entry.signature]) for entry in baseline.entries if entry.signature not in dropped]
    for entry in compared.new:
        before = renamed(entry, gone)
        dated = replace(
            entry,
            since=before.since if before is not None else today,
            reason=before.reason if before is not None else "",
        )
        kept.append((dated, _table(dated)))
    kept.sort(key=lambda pair: (pair[0].target, pair[0].kind, pair[0].holder, pair[0].signature))
    body = "\n".join(text.strip("\n") + "\n" for _, text in kept)
    header = header.strip("\n") or _HEADER.strip("\n")
    return f"{header}\n\n{body}" if body else f"{header}\n"


def _table(entry: Entry) -> str:
    import tomlkit  # only an update needs it

    table = tomlkit.table()
    for name in FIELDS:
        table.add(name, getattr(entry, name))
    return f"[[findings]]\n{table.as_string()}"


def _chunks(baseline: Baseline) -> tuple[str, list[str]]:
    """The text before the first table, and the text of each table with the comment lines right above it.

    A writer of TOML attaches a comment above a table to the previous table, and drops it together with that. So this
    module cuts the text at the headings, which leaves every byte of an entry as the team wrote it.
    """
    lines = baseline.text.splitlines(keepends=True)
    starts = list(_headings(lines))
    if len(starts) != len(baseline.entries):  # tables in another notation, such as `findings = [{...}]`
        return "", [_table(entry) for entry in baseline.entries]
    begins = []
    for at in starts:
        begin = at
        while begin > 0 and lines[begin - 1].lstrip().startswith("#"):
            begin -= 1
        begins.append(begin)
    if not begins:
        return baseline.text, []
    if begins[0] == 0 and starts[0] > 0:
        # Comment lines at the very top belong to the file if an empty line follows them, or if nothing does.
        begins[0] = starts[0]
    ends = [*begins[1:], len(lines)]
    header = "".join(lines[: begins[0]])
    return header, ["".join(lines[begin:end]) for begin, end in zip(begins, ends, strict=True)]


def _headings(lines: list[str]) -> Iterator[int]:
    """Indexes of the lines that begin a table, outside of strings over several lines."""
    quote: re.Pattern[str] | None = None
    for at, line in enumerate(lines):
        if quote is None and _TABLE.fullmatch(line):
            yield at
            continue
        position = 0
        while True:
            # `match` for a closing quote: a search could begin within an escape.
            match = quote.match(line, position) if quote else _TOKEN.search(line, position)
            if match is None or (quote is None and match.group() == "#"):
                break
            position = match.end()
            quote = _CLOSING.get(match.group()) if quote is None else None
