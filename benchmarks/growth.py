"""Measure the noise of the process's own numbers, for `docs/how-it-works.md`.

    python benchmarks/growth.py [MODULE ...]

Checks clean modules, and prints how many tracked objects, small blocks and bytes from malloc each round left. While
nothing is suspected, a check takes these numbers at its beginning and its end only, so this is the mean of its rounds.
"""

import sys

from pytest_reloadleak.check import Check, settings_for

MODULES = (
    "base64",
    "cmd",
    "colorsys",
    "csv",
    "difflib",
    "html.parser",
    "mailbox",
    "plistlib",
    "shelve",
    "wave",
)
ROUNDS = 20


def per_round(first: int | None, last: int | None) -> str:
    """By how much each round left a number larger on average, as text."""
    return "-" if first is None or last is None else f"{(last - first) / ROUNDS:.1f}"


def main() -> None:
    """Measure, and print."""
    print(f"{sys.version.split()[0]}, {ROUNDS} rounds")
    print(f"{'module':14} {'objects':>16} {'blocks':>16} {'native bytes':>16}   per round")
    for name in sys.argv[1:] or MODULES:
        try:
            check = Check([name], settings_for(rounds=ROUNDS))
        except Exception as error:  # noqa: BLE001 - an interpreter may lack one of them; the others are to be seen
            print(f"{name:14} {error}")
            continue
        report = check.perform()
        first, last = check.run.observations.samples[0], check.run.observations.samples[-1]
        shown = (
            per_round(first.objects, last.objects),
            per_round(first.blocks, last.blocks),
            per_round(first.native_bytes, last.native_bytes),
        )
        print(f"{name:14} {shown[0]:>16} {shown[1]:>16} {shown[2]:>16}   {report.outcome}")


if __name__ == "__main__":
    main()
