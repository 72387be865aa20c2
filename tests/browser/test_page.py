"""The page in a browser: it renders, filters and copies, asks no host for anything, and is usable by all readers."""

import dataclasses
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "report"))
from test_html_page import FINDING, REPORT, hostile, rendered

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="Playwright is not installed: nox -s browser has it"
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no browser: install the package chromium")
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def leaking():
    """Three checks: two leaks in one, a leak that is bounded, and none."""
    fd = dataclasses.replace(
        FINDING, kind="open-fd", signature="00aa11bb", trace=("fd", "module plugins.weather")
    )
    bounded = dataclasses.replace(FINDING, growth="bounded", per_round=0.0, signature="22cc33dd")
    return (
        dataclasses.replace(REPORT, findings=(FINDING, fd)),
        dataclasses.replace(REPORT, target="plugins.rain", findings=(bounded,)),
        dataclasses.replace(REPORT, target="plugins.sun", outcome="clean", reason="nothing", findings=()),
    )


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser with a profile of its own."""
    with sync_api.sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=CHROMIUM,
            headless=True,
            chromium_sandbox=False,
            args=FLAGS,
        )
        yield context
        context.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Open a page; its complaints and requests are in `said`."""

    def open_(*reports, **keywords):
        path = tmp_path / "page.html"
        path.write_text(rendered(*reports, **keywords), encoding="utf-8")
        page = browser.new_page()
        page.said = []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("dialog", lambda dialog: page.said.append(dialog.message))
        page.on("request", lambda request: page.said.append(request.url))
        page.goto(path.as_uri())
        page.said.remove(path.as_uri())
        pages.append(page)
        return page

    pages = []
    yield open_
    for page in pages:
        page.close()


def visible(page):
    """Signatures of the findings that are shown."""
    return [
        one.locator(".tag code").inner_text() for one in page.locator(".finding").all() if one.is_visible()
    ]


def test_it_renders_and_asks_for_nothing(opened):
    """The page shows every finding, its script logs no error, and it sends no request."""
    page = opened(*leaking())

    assert page.said == []
    assert visible(page) == ["7c1e9a04", "00aa11bb", "22cc33dd"]
    assert page.locator("tbody tr").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_hostile_names_run_nothing(opened):
    """A report whose every text is markup is shown as text."""
    page = opened(hostile(REPORT))

    assert page.said == []
    assert page.locator(".finding").count() == 1


def test_the_filters_and_the_search(opened):
    """Each filter leaves what it says, and the count says how much; the table follows."""
    page = opened(*leaking())

    page.get_by_label("Kind").select_option("open-fd")
    assert visible(page) == ["00aa11bb"]
    assert page.get_by_role("status").inner_text() == "1 of 3 findings"
    page.get_by_label("Kind").select_option("")
    page.get_by_label("Growth").select_option("bounded")
    assert visible(page) == ["22cc33dd"]
    page.get_by_label("Growth").select_option("")
    page.get_by_label("Search").fill("rain LISTENERS")
    assert visible(page) == ["22cc33dd"]
    assert page.locator("tbody tr:visible").count() == 1
    page.get_by_label("Search").fill("no such thing")
    assert page.get_by_text("Nothing matches these filters.").is_visible()
    page.get_by_label("Search").fill("")
    page.get_by_label("Outcome").select_option("clean")
    assert page.locator(".check:visible h2").all_inner_texts() == ["plugins.sun reimport clean"]


def test_it_works_by_keyboard(opened):
    """The first key leads past the header; a finding folds, and its cure is copied, without a mouse."""
    page = opened(*leaking())

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the findings"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "findings"
    summary = page.locator(".finding summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert not page.locator("#cure-finding-0-0").is_visible()
    page.keyboard.press("Enter")
    button = page.locator("[data-copy]").first
    button.focus()
    page.keyboard.press("Enter")
    page.get_by_text("Copied").wait_for()
    page.get_by_label("Search").focus()
    page.keyboard.press("Control+v")
    assert page.get_by_label("Search").input_value() == FINDING.cure


def test_the_colours_follow_the_system_until_they_are_chosen(opened):
    """Dark where the system is, light where the reader says so."""
    page = opened(*leaking())
    colour = "getComputedStyle(document.body).backgroundColor"

    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(colour) != light
    page.get_by_role("button", name="Light").click()
    assert page.evaluate(colour) == light
    page.reload()
    assert page.evaluate(colour) == light
    page.get_by_role("button", name="Auto").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(opened, scheme, width):
    """Contrast, names, roles and order are as the rules of accessibility ask, on a desktop and on a phone."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    row = {
        "target": "plugins.weather",
        "strategies": {
            "reload": {"verdict": "growing", "reason": "a reason", "reload_s": 0.1},
            "reimport": {"verdict": "clean", "reason": "", "reload_s": 0.1},
        },
        "safe": "reimport",
        "advice": "use reimport",
    }
    page = opened(*leaking(), rows=[row])
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)

    found = axe.Axe().run(page).response["violations"]

    assert [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
