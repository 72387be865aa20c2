"""Start another interpreter like this one: with the same executable, flags and search path."""

from __future__ import annotations

import os
import subprocess
import sys

BOOT = (
    "import json,sys;file=open(sys.argv.pop(),encoding='utf-8');"
    "job=json.load(file);file.close();del file;sys.path[:]=job['path'];"
    "import importlib;importlib.import_module(job['module']).main(job)"
)
"""The code of the interpreter: it must set the parent's `sys.path` before it can import this package."""


def command(job: str) -> list[str]:
    """The command line of the interpreter.

    Args:
        job: a JSON file with at least `path` (see `search_path`) and `module`, whose `main` is called with all of it.
    """
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # multiprocessing uses the same
    return [sys.executable, *flags, "-c", BOOT, job]


def search_path() -> list[str]:
    """`sys.path` with the entry for the working directory spelled out."""
    return [entry or os.getcwd() for entry in sys.path]
