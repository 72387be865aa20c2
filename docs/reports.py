"""Make `reports.md`: leaks of well-known libraries as the tool reports them, and their cures, applied.

    python docs/reports.py            make the page again
    python docs/reports.py --check    exit with 1 if it is out of date

It needs the extra `realworld`. Each report is that of a real run; the cure is pasted from the report into the dispose
hook, and the target is checked again.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from textwrap import dedent, indent
from typing import NamedTuple

PAGE = Path(__file__).with_name("reports.md")
ROOT = PAGE.parent.parent

HEAD = """\
# Reports to read

<!-- made by: python docs/reports.py -->

Seven leaks as the tool reports them. Each was fixed from its report alone: the cure went into the dispose hook, and the
next check was clean. `python docs/reports.py` makes this page again by running everything on it.

The first line of a finding says what keeps how much, and which line made it. Below, `holder` is what keeps the old
generation alive, with its path, and `site` is the line that made the reference. `fix` says what to do, and `cure` says
it in Python: paste these lines into the body of the hook that runs before the module is dropped. That is the hook of
your host, or `def __reload_dispose__(data):` in the module itself.
"""


class Leak(NamedTuple):
    """A leaking target of a host."""

    title: str
    about: str
    """What happens, for a reader who does not know the library."""
    host: str
    target: str


LEAKS = (
    Leak(
        "discord.py: a check of the bot",
        "An extension adds a check to the bot when it is loaded, and does not remove it when it is unloaded.",
        """
        import discord
        from discord.ext import commands

        bot = commands.Bot("!", intents=discord.Intents.none())
        """,
        """
        from discord.ext import commands

        from host import bot


        async def is_member(context: commands.Context) -> bool:
            return context.guild is not None


        bot.add_check(is_member)
        """,
    ),
    Leak(
        "logging: a handler",
        "Each load adds one more handler to the same logger, so that each record is handled once more.",
        "",
        """
        import logging


        class Metrics(logging.Handler):
            def emit(self, record):
                pass


        logging.getLogger("app").addHandler(Metrics())
        """,
    ),
    Leak(
        "functools: a cache of another module",
        "The cache of a function of the host keeps each class that it was called with.",
        """
        import functools


        @functools.lru_cache(maxsize=None)
        def fields_of(cls):
            return sorted(vars(cls))
        """,
        """
        from host import fields_of


        class Order:
            def total(self):
                return 0


        FIELDS = fields_of(Order)
        """,
    ),
    Leak(
        "asyncio: a task",
        "Each load starts a task on the loop of the host, and none is cancelled.",
        """
        import asyncio

        loop = asyncio.new_event_loop()
        """,
        """
        import asyncio

        from host import loop


        async def poll():
            while True:
                await asyncio.sleep(60)


        task = loop.create_task(poll(), name="poller")
        loop.run_until_complete(asyncio.sleep(0))
        """,
    ),
    Leak(
        "A registry of subclasses",
        "The base class lists its subclasses, and each load defines the subclass again.",
        """
        class Plugin:
            known = []

            def __init_subclass__(cls):
                Plugin.known.append(cls)
        """,
        """
        from host import Plugin


        class Weather(Plugin):
            def run(self):
                return "sunny"
        """,
    ),
    Leak(
        "Twisted: a trigger of the reactor",
        "The reactor keeps the functions that it calls before it stops.",
        "from twisted.internet import reactor",
        """
        from twisted.internet import reactor


        def save():
            pass


        reactor.addSystemEventTrigger("before", "shutdown", save)
        """,
    ),
    Leak(
        "loguru: a sink",
        "loguru numbers its sinks, and removes one by its number, which the target did not keep.",
        "",
        """
        from loguru import logger


        def sink(message):
            pass


        logger.add(sink)
        """,
    ),
)

_RUN = """\
import json
import sys

sys.path.insert(0, "")
import host
from pytest_reloadleak import measure_reload
from pytest_reloadleak.report import terminal

report = measure_reload("plugin")
finding = report.findings[0] if report.findings else None
text = terminal.text(report, verbose=False, width=100)
print(json.dumps([report.outcome, text, finding.cure if finding is not None else None]))
"""


def checked(leak: Leak, directory: Path, cure: str = "") -> tuple[str, str, str | None]:
    """The outcome of a check of a target in a process of its own, the text of its report, and the cure."""
    hook = f"\n\ndef __reload_dispose__(data):\n{indent(cure, '    ')}\n" if cure else ""
    directory.mkdir()
    (directory / "host.py").write_text(dedent(leak.host).strip("\n") + "\n", encoding="utf-8")
    (directory / "plugin.py").write_text(dedent(leak.target).strip("\n") + "\n" + hook, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", _RUN],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    outcome, text, found = json.loads(done.stdout.splitlines()[-1])
    return outcome, text, found


def section(leak: Leak) -> str:
    """The part of the page on one leak: the target, its report, and that the cure cures.

    Raises:
        AssertionError: the target does not leak, has no cure, or leaks with it.
    """
    with tempfile.TemporaryDirectory() as directory:
        outcome, text, cure = checked(leak, Path(directory, "leaking"))
        assert outcome == "leaking", f"{leak.title}: {outcome}"
        assert cure is not None, f"{leak.title}: no cure"
        again, after, _ = checked(leak, Path(directory, "cured"), cure)
        assert again == "clean", f"{leak.title}, cured: {after}"
        text = text.replace(f"{directory}{os.sep}", "")
    return (
        f"## {leak.title}\n\n{leak.about}\n\n```python\n{dedent(leak.target).strip()}\n```\n\n"
        f"```text\n{steady(text)}\n```\n\nWith the cure in the hook:\n\n```text\n{steady(after)}\n```\n"
    )


def steady(text: str) -> str:
    """A report without what differs between interpreters: sizes, and lines of the library."""
    text = re.sub(r"[\d.]+ (bytes|KiB|MiB) per reload", "N KiB per reload", text)
    text = re.sub(r"at tasks\.py:\d+", "at tasks.py:N", text)
    return re.sub(r"a day: [\d.]+ (bytes|KiB|MiB) a day", "a day: N MiB a day", text)


def page() -> str:
    """The whole page."""
    return HEAD + "".join(f"\n{section(leak)}" for leak in LEAKS)


def main() -> None:
    """Write the page, or compare it."""
    text = page()
    if sys.argv[1:] == ["--check"]:
        sys.exit(
            0 if text == PAGE.read_text(encoding="utf-8") else f"{PAGE.name}: run python docs/reports.py"
        )
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
