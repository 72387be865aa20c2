"""Make the pictures of `images/`: a terminal of 80 and of 120 columns, and the page on a desktop, a phone, and dark.

    nox -s screenshots

It needs tmux and Chromium. The terminal is a real one, so that what breaks there breaks in the picture.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from textwrap import dedent

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
IMAGES = Path(__file__).with_name("images")
COLOURS = 128
"""Of a picture: text and few surfaces need no more."""
PATIENCE_S = 120

FILES = {
    "pytest.ini": "[pytest]\npythonpath = .\ntestpaths = tests\n",
    "tests/test_bot.py": """
        def test_nothing():
            pass
        """,
    "bot/__init__.py": "",
    "bot/events.py": """
        listeners = {}


        def subscribe(event, callback):
            listeners.setdefault(event, []).append(callback)


        def unsubscribe(event, callback):
            listeners[event].remove(callback)
        """,
    "bot/services.py": """
        class Registry:
            def __init__(self):
                self.commands_by_name = {}
                self.audit_trail_of_all_requests = []


        registry = Registry()
        """,
    "plugins/__init__.py": "",
    "plugins/greeter.py": """
        def greet(name):
            return f"Hello {name}"
        """,
    "plugins/history.py": """
        from bot import services


        def warm_up(count):
            for number in range(count):
                services.registry.audit_trail_of_all_requests.append({"number": number})


        warm_up(120)
        """,
    "plugins/poller.py": """
        import threading

        stop = threading.Event()


        def poll():
            while not stop.wait(0.2):
                pass


        threading.Thread(target=poll, name="poller", daemon=True).start()
        """,
    "plugins/weather.py": """
        from bot import events, services


        class Weather:
            def on_message(self, message):
                return "snow" if message == "weather in oslo" else None


        weather = Weather()
        events.subscribe("message", weather.on_message)
        services.registry.commands_by_name.setdefault("weather", []).append(weather.on_message)
        """,
}
"""A bot with four plugins, of which one is clean."""

THEME = TerminalTheme(
    (22, 25, 29),
    (223, 227, 232),
    [
        (22, 25, 29),
        (240, 113, 120),
        (149, 205, 122),
        (232, 191, 106),
        (110, 168, 254),
        (200, 146, 234),
        (94, 205, 216),
        (223, 227, 232),
    ],
)
TERMINAL = """\
<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #16191d; width: max-content; }}
pre {{ margin: 0; padding: 14px 18px; color: #dfe3e8; font: 14px/1.35 "DejaVu Sans Mono", monospace; }}
</style><pre>{}</pre>
"""


@contextmanager
def project() -> Iterator[Path]:
    """The bot in a directory of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve() / "bot"
        for file, text in FILES.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        yield folder


def environment() -> dict[str, str]:
    """That of a user who has the plugin and nothing else."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CI", "NO_COLOR"))
    }
    return kept | {
        "PYTHONPATH": str(ROOT),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": "-p reloadleak -p no:cacheprovider",
    }


def terminal(folder: Path, columns: int, *arguments: str) -> str:
    """What a terminal of this width shows of a run, with its escapes.

    Raises:
        TimeoutError: the run did not end.
    """
    socket = f"reload-leak-{os.getpid()}"
    tmux = ["tmux", "-L", socket, "-f", os.devnull]
    done = folder / "done"
    done.unlink(missing_ok=True)
    command = f"{sys.executable} -m pytest {' '.join(arguments)}; touch {done}; sleep 600"
    size = ["-x", str(columns), "-y", "200"]
    variables = environment() | {"TERM": "xterm-256color"}
    subprocess.run([*tmux, "new-session", "-d", *size, command], cwd=folder, env=variables, check=True)
    try:
        end = time.monotonic() + PATIENCE_S
        while not done.exists():
            if time.monotonic() > end:
                raise TimeoutError(f"pytest did not end: {command}")
            time.sleep(0.2)
        taken = subprocess.run(
            [*tmux, "capture-pane", "-e", "-p"], capture_output=True, text=True, check=True
        )
        return taken.stdout.rstrip()
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)


def coloured(text: str, columns: int) -> str:
    """A page with the text of a terminal in its colours."""
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(text), soft_wrap=True)
    inner = console.export_html(theme=THEME, inline_styles=True, code_format="{code}")
    return TERMINAL.format(inner or escape(text))


def save(shot: bytes, name: str) -> None:
    """Write a picture with few colours, which makes it small."""
    picture = Image.open(io.BytesIO(shot)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(IMAGES / f"{name}.png", optimize=True)
    print(f"{name}.png: {(IMAGES / f'{name}.png').stat().st_size // 1024} KB")


def shoot_terminal(browser: Browser, folder: Path, columns: int) -> None:
    """The picture of a terminal."""
    text = terminal(folder, columns, "--reload-leak-check", "--reload-leak-target='plugins.*'", "--no-header")
    page = browser.new_page(viewport={"width": 400, "height": 400})
    page.set_content(coloured(text, columns))
    save(page.locator("pre").screenshot(), f"terminal-{columns}")
    page.close()


def open_page(browser: Browser, file: Path, **options: object) -> Page:
    """The page of the bot."""
    page = browser.new_page(**options)  # type: ignore[arg-type]
    page.goto(file.as_uri())
    return page


def shoot_page(browser: Browser, folder: Path) -> None:
    """The pictures of the page."""
    file = page_of(folder, "reimport")
    desktop = open_page(browser, file, viewport={"width": 1200, "height": 1450})
    save(desktop.screenshot(), "page-desktop")
    desktop.emulate_media(color_scheme="dark")
    desktop.set_viewport_size({"width": 1200, "height": 1050})
    desktop.get_by_label("Search").fill("listeners")
    desktop.locator(".drawing:visible > summary").click()
    desktop.locator(".check:visible").evaluate("one => one.scrollIntoView({behavior: 'instant'})")
    save(desktop.screenshot(), "page-dark")
    phone = open_page(browser, file, viewport={"width": 390, "height": 844}, device_scale_factor=1.5)
    save(phone.screenshot(), "page-phone")
    phone.locator(".finding").last.evaluate("one => one.scrollIntoView({behavior: 'instant'})")
    save(phone.screenshot(), "page-phone-finding")
    compared = open_page(browser, page_of(folder, "all"), viewport={"width": 1200, "height": 1200})
    save(compared.locator("section:has(> #strategies)").screenshot(), "page-strategies")


def page_of(folder: Path, strategy: str) -> Path:
    """The page of a run."""
    file = folder / f"{strategy}.html"
    options = ["--reload-leak-check", "--reload-leak-target=plugins.*", f"--reload-leak-strategy={strategy}"]
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options, f"--reload-leak-html={file}"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        check=False,  # it finds leaks
    )
    return file


def main() -> None:
    """Make all pictures."""
    IMAGES.mkdir(exist_ok=True)
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with project() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for columns in (80, 120):
            shoot_terminal(browser, folder, columns)
        shoot_page(browser, folder)
        browser.close()


if __name__ == "__main__":
    main()
