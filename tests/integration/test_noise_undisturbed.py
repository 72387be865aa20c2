"""A check leaves the test what it asked pytest for: readable records, its warnings, its patches, its excinfo."""

from noise_cases import HOST, PLUGIN

TEST = """
    import logging
    import sys
    import warnings

    import host
    import plugin
    import pytest

    def send(value):
        return value

    class Other(UserWarning):
        pass

    def test_records(caplog, reload_leaks):
        extra = {"own": plugin.Own(), "data": {"n": [1]}}
        logging.getLogger("app").warning("saw %s of %d", plugin.Own(), 2, extra=extra)
        try:
            plugin.fail()
        except plugin.OwnError:
            logging.getLogger("app").exception("failed")

        reload_leaks.check("plugin", rounds=2)

        first, second = caplog.records
        assert (first.getMessage(), first.levelname, first.own, first.data) == (
            "saw <own> of 2", "WARNING", "<own>", {"n": [1]}
        )
        assert caplog.messages == ["saw <own> of 2", "failed"]
        assert caplog.record_tuples[0] == ("app", logging.WARNING, "saw <own> of 2")
        assert "OwnError: a" in caplog.text  # the text was formatted when it was logged
        assert second.exc_info is None
        logging.getLogger("app").warning("later")
        assert caplog.messages[-1] == "later"

    def test_warnings(recwarn, reload_leaks):
        plugin.warn()
        warnings.warn("builtin", DeprecationWarning)
        warnings.warn(Other("of the test"))

        reload_leaks.check("plugin", rounds=2)

        texts = [str(entry.message) for entry in recwarn]
        assert texts == ["plugin.OwnWarning: a", "builtin", "test_it.Other: of the test"]
        assert [entry.category for entry in recwarn] == [UserWarning, DeprecationWarning, UserWarning]
        assert recwarn.pop(UserWarning).lineno and recwarn.pop(DeprecationWarning)
        warnings.warn("later")
        assert str(recwarn.list[-1].message) == "later"

    def test_warnings_in_a_block(reload_leaks):
        with pytest.warns(UserWarning, match="plugin.OwnWarning: a"):
            plugin.warn()
            reload_leaks.check("plugin", rounds=2)

    def test_patches(monkeypatch, reload_leaks):
        monkeypatch.setattr(host, "send", send)
        monkeypatch.setitem(host.registry, "own", plugin.Own)
        monkeypatch.syspath_prepend("elsewhere")

        reload_leaks.check("plugin", rounds=2)

        assert host.send is send and host.registry == {"own": plugin.Own} and "elsewhere" in sys.path[0]

    def test_patches_are_undone():
        assert host.send is not send and host.registry == {} and "elsewhere" not in sys.path[0]

    def test_excinfo(reload_leaks):
        with pytest.raises(plugin.OwnError) as info:
            plugin.fail()

        reload_leaks.check("plugin", rounds=2)

        assert info.type is plugin.OwnError and info.value.args == ("a",) and info.match("a")
        assert info.traceback[-1].name == "fail" and info.traceback[-1].frame.f_globals["__name__"] == "plugin"

    def test_fixtures(made, reload_leaks):
        reload_leaks.check("plugin", rounds=2)

        assert type(made) is plugin.Own

    @pytest.fixture
    def made():
        return plugin.Own()
"""


def test_what_the_test_asked_for_is_left_as_it_was(project):
    """Records and warnings are text after a check, with messages and levels as before; all else is untouched."""
    project.write({"host.py": HOST, "plugin.py": PLUGIN, "test_it.py": TEST})

    result = project.spawn("-vv", "-Wdefault")

    result.assert_outcomes(passed=7, warnings=result.parseoutcomes().get("warnings", 0))
