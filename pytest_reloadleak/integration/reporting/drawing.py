"""Draw graphs with Graphviz, if it is installed."""

from __future__ import annotations

import shutil
import subprocess

_SECONDS = 30
"""Time limit for one drawing. A graph of 40 nodes takes a fraction of a second."""


def drawer() -> str | None:
    """The path of Graphviz's program `dot`; `None` if it is not installed."""
    return shutil.which("dot")


def svg(dot: str, program: str) -> bytes:
    """A graph as SVG.

    Args:
        dot: the graph in the DOT language.
        program: what `drawer` returned.

    Raises:
        subprocess.SubprocessError: the program failed.
        OSError: it could not be started.
    """
    done = subprocess.run(  # noqa: S603 - the graph is ours
        [program, "-Tsvg"], input=dot.encode(), capture_output=True, timeout=_SECONDS, check=True
    )
    return done.stdout
