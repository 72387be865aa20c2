"""pytest-mock: its patches, spies and stubs are put back when the test is over."""

import pytest
from noise_cases import Case, different, run

pytest.importorskip("pytest_mock")

CALLED = "a mock keeps {} from its calls, answers or spec: not a leak"
PUT_BACK = "pytest-mock's mocker keeps {} until it puts the original back: not a leak"


def by_hand(*notes):
    """The notes of a check by hand, when it looks while the patches are in force."""
    return {"by_hand": tuple(sorted(notes))}


PATCHES = {
    "called": Case(
        "send = mocker.patch('host.send')\nhost.send(plugin.Own())\nsend.assert_called_once()",
        "mocker",
        **by_hand(CALLED.format("plugin.Own")),
    ),
    "replaced": Case(
        "mocker.patch('host.send', plugin.on_event)", "mocker", **by_hand(PUT_BACK.format("plugin.on_event"))
    ),
    "of_the_target": Case(
        "mocker.patch('plugin.fail')\nassert plugin.fail()",
        "mocker",
        **by_hand(PUT_BACK.format("plugin")),
    ),
    "dict": Case(
        "mocker.patch.dict(host.registry, {'a': plugin.Own()})",
        "mocker",
        **by_hand(PUT_BACK.format("plugin.Own")),
    ),
}
MOCKS = {
    "spy": Case(
        "spy = mocker.spy(plugin, 'on_event')\nplugin.on_event()\nassert spy.spy_return == 'event'",
        "mocker",
        **by_hand(PUT_BACK.format("plugin")),
    ),
    "stub": Case("mocker.stub()(plugin.Own())", "mocker"),
    "fixture": Case(
        "host.send(plugin.Own())\nassert sent.call_count",
        "sent",
        (CALLED.format("plugin.Own"),),
        **by_hand(CALLED.format("plugin.Own")),
    ),
}
FIXTURES = """
    @pytest.fixture
    def sent(mocker):
        return mocker.patch("host.send")
"""


@pytest.mark.parametrize("cases", [PATCHES, MOCKS], ids=["patches", "mocks"])
def test_what_mocker_keeps_is_no_finding_and_hides_none(cases, project):
    """A patch of the body ends with its round; one in force is a note, as is what a mock was called with."""
    assert different(run(project, cases, fixtures=FIXTURES, plugins=["pytest_mock"]), cases) == {}
