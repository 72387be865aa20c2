"""pytest-django: its settings, its test client and its mailbox; a project of one view."""

import pytest
from noise_cases import Case, different, run

pytest.importorskip("pytest_django")

SETTINGS = """
    SECRET_KEY = "x"
    ROOT_URLCONF = "urls"
    ALLOWED_HOSTS = ["*"]
    EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    USE_TZ = True
"""
URLS = """
    import importlib

    from django.http import HttpResponse
    from django.urls import path

    def view(request):
        plugin = importlib.import_module("plugin")
        return HttpResponse(plugin.on_event())

    def failing(request):
        importlib.import_module("plugin").fail()

    urlpatterns = [path("", view), path("failing", failing)]
"""
SETTINGS_NOTE = (
    "pytest-django's settings fixture keeps plugin.Own until it puts the original back: not a leak"
)
DJANGO = {
    "client": Case("assert client.get('/').content == b'event'", "client"),
    "error_of_a_view": Case("with pytest.raises(plugin.OwnError):\n    client.get('/failing')", "client"),
    "settings": Case("settings.OWN = plugin.Own()", "settings", (SETTINGS_NOTE,), (SETTINGS_NOTE,)),
    "mail": Case(
        """
        from django.core import mail
        mail.send_mail("a", str(plugin.Own()), "a@example.org", ["b@example.org"])
        assert mailoutbox
        """,
        "mailoutbox",
    ),
}


def test_django_fixtures_are_no_findings_and_hide_none(project):
    """The client, the settings and the mailbox of a test keep nothing that counts; signals hold weakly."""
    project.write({"settings.py": SETTINGS, "urls.py": URLS})

    seen = run(project, DJANGO, "--ds=settings", plugins=["pytest_django.plugin"])

    assert different(seen, DJANGO) == {}


REQUESTS = """
    import plugin
    import pytest

    @pytest.mark.reloadable("plugin", rounds=3)
    def test_requests(client):
        for _ in range(20):
            client.get("/")
"""
CLIENT_NOTE = "Django's test client keeps more items after each round as long as it lives: not a leak"


@pytest.mark.parametrize("leak", ["", "plugin.LOG += [[] for _ in range(90)]"], ids=["cured", "leaks"])
def test_what_grows_with_each_request_is_the_clients(leak, project):
    """Each request leaves three finalizers: 240 objects a round here, above the noise; a list beside it is found."""
    plugin = "import log\nLOG = log.LOG\ndef on_event(): return 'event'\n"
    project.write({"settings.py": SETTINGS, "urls.py": URLS, "log.py": "LOG = []\n", "plugin.py": plugin})
    project.write({"test_it.py": f"{REQUESTS.rstrip()}\n        {leak}\n"})

    project.check_apart("--ds=settings", plugins=("pytest_django.plugin",))

    (check,) = project.checks()
    found = [(finding["kind"], finding["holder"]["path"]) for finding in check["findings"]]
    assert found == ([("object-growth", "log.LOG[*]")] if leak else [])
    assert CLIENT_NOTE in check["notes"]


SIGNAL = """
    import plugin
    import pytest

    @pytest.mark.reloadable("plugin", rounds=3)
    def test_signal(client):
        from django.core.signals import request_started

        request_started.connect(plugin.heard{keywords})
        assert client.get("/").status_code == 200
"""


@pytest.mark.parametrize("keywords", ["", ", weak=False"], ids=["cured", "leaks"])
def test_signals_hold_weakly_unless_told_otherwise(keywords, project):
    """A receiver goes with its generation; one that is connected strongly is found in the signal."""
    plugin = "def heard(sender, **kwargs): pass\ndef on_event(): return 'event'\n"
    project.write({"settings.py": SETTINGS, "urls.py": URLS, "plugin.py": plugin})
    project.write({"test_it.py": SIGNAL.format(keywords=keywords)})

    project.check_apart("--ds=settings", plugins=("pytest_django.plugin",))

    (check,) = project.checks()
    found = [(finding["holder"]["path"], finding["held"]["name"]) for finding in check["findings"]]
    assert found == (
        [("django.core.signals.request_started.receivers[*][*]", "plugin.heard")] if keywords else []
    )
