"""freezegun: it gives every module a fake clock, and keeps the modules until the clock runs again."""

import pytest
from noise_cases import Case, different, run

pytest.importorskip("freezegun")

NOTE = ("freezegun keeps plugin until it unfreezes time: not a leak",)
FROZEN = {
    "in_the_body": Case("with freezegun.freeze_time('2020-01-01'):\n    assert plugin.today().year == 2020"),
    "by_a_fixture": Case("assert plugin.today().year == 2020", "frozen", NOTE, NOTE),
    "ticking": Case("frozen.tick()\nassert plugin.Own()", "frozen", NOTE, NOTE),
}
FIXTURES = """
    import datetime
    import freezegun

    @pytest.fixture
    def frozen():
        with freezegun.freeze_time("2020-01-01") as frozen:
            yield frozen
"""
CLOCK = """
    import datetime
    import time
    from datetime import date, datetime as now

    STARTED = time.time()

    def today():
        return now.now()
"""


def test_frozen_clocks_are_no_findings_and_hide_none(project):
    """The modules that freezegun gave a fake clock, and what it remembers of them, are no leak."""
    assert different(run(project, FROZEN, fixtures=FIXTURES, more=CLOCK), FROZEN) == {}
