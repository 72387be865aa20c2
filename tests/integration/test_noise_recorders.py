"""Log capture, warning recorders, output capture, and the interpreter's last exception."""

import pytest
from noise_cases import Case, different, run

RECORDER = "a warning recorder keeps plugin.OwnWarning until the test is over: not a leak"

THREAD = (
    ("pytest's record of exceptions in threads keeps plugin.OwnError until the test is over: not a leak",)
    if pytest.version_tuple >= (8, 4)  # before, each phase of a test had a record of its own
    else ()
)

LOGS = {
    "caplog": Case(
        """
        plugin.log(plugin.Own())
        assert "own" in caplog.text
        assert caplog.handler.records and caplog.records
        caplog.get_records("setup")
        """,
        "caplog",
    ),
    "logged_without_caplog": Case("plugin.log(plugin.Own())"),
    "logged_in_setup": Case("assert caplog.get_records('setup')", "logged, caplog"),
    "logged_extra": Case("logging.getLogger('app').warning('saw', extra={'own': plugin.Own(), 'n': 1})"),
    "logged_message": Case("logging.getLogger('app').warning(plugin.Own())"),
    "logged_exception": Case(
        """
        try:
            plugin.fail()
        except plugin.OwnError:
            logging.getLogger("app").exception("failed")
        """
    ),
    "caplog_filter": Case(
        """
        class Filter(logging.Filter):
            own = plugin.Own
        with caplog.filtering(Filter()), caplog.at_level("DEBUG", logger="app"):
            logging.getLogger("app").debug("saw %s", plugin.Own())
        """,
        "caplog",
    ),
}

WARNINGS = {
    "recwarn": Case("plugin.warn()\nassert recwarn.list", "recwarn"),
    "warned_without_recorder": Case("plugin.warn()"),
    "warned_before": Case("pass", "warned, recwarn", (RECORDER,), (RECORDER,)),
    "warned_source": Case("warnings.warn('a', UserWarning, source=plugin.Own())"),
    "warned_argument": Case("warnings.warn(UserWarning(plugin.Own()))"),
    "pytest_warns": Case("with pytest.warns(plugin.OwnWarning, match='a') as record:\n    plugin.warn()"),
    "deprecated_call": Case(
        "with pytest.deprecated_call():\n    warnings.warn(DeprecationWarning(plugin.Own()))"
    ),
}

OUTPUT = {
    "capsys": Case("print(plugin.Own())\nassert 'own' in capsys.readouterr().out", "capsys"),
    "capfd": Case("print(plugin.Own())\nassert 'own' in capfd.readouterr().out", "capfd"),
    "printed": Case("print(plugin.Own())"),
    "redirected": Case("with contextlib.redirect_stdout(io.StringIO()):\n    print(plugin.Own())"),
    "last_exception": Case(
        """
        try:
            plugin.fail()
        except plugin.OwnError as error:
            sys.last_exc = sys.last_value = error
            sys.last_type, sys.last_traceback = type(error), error.__traceback__
        """
    ),
    "exception_in_a_thread": Case(
        """
        thread = threading.Thread(target=plugin.fail)
        thread.start()
        thread.join()
        """,
        "",
        THREAD,
        THREAD,
    ),
    "property": Case("record_property('own', str(plugin.Own()))", "record_property"),
}

FIXTURES = """
    @pytest.fixture
    def logged():
        plugin.log(plugin.Own())

    @pytest.fixture
    def warned():
        plugin.warn()
"""
GROUPS = {
    "logs": (LOGS, ()),
    "live logs": (LOGS, ("-o", "log_cli=true", "--log-level=DEBUG", "--log-file=log.txt")),
    "warnings": (WARNINGS, ("-Wdefault",)),
    "output": (OUTPUT, ("-Wdefault",)),
    "output without capture": ({"printed": OUTPUT["printed"]}, ("-s",)),
}


@pytest.mark.parametrize(("cases", "arguments"), GROUPS.values(), ids=GROUPS)
def test_recorders_keep_nothing_and_hide_nothing(cases, arguments, project):
    """What was recorded is text when the check looks; the leak beside it is the one finding."""
    assert different(run(project, cases, *arguments, fixtures=FIXTURES), cases) == {}
