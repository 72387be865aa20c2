"""JUnit files: what they say of checks, and that they are valid against the schema that pytest's own tests use."""

import textwrap
from pathlib import Path
from xml.etree import ElementTree

import pytest
import xmlschema
from support import CURED, LEAKY, assert_no_traceback, errors, target

FAST = "--reload-leak-isolation=none"
JUNIT = Path(__file__).parents[1] / "report" / "schemas" / "junit-10.xsd"
LOUD = "import host\nprint('\\0\\x1b]0;a\\x07 <![CDATA[ ]]> &amp; \\ud800'.encode('utf-8', 'replace').decode())\n"


def properties(root):
    """The properties of tests and suites of a JUnit file: name of the test or `None`, name and value."""
    named = [(one.get("name"), one) for one in root.iter("testcase")]
    named += [(None, one) for one in root.iter("testsuite")]
    return [
        (name, one.get("name"), one.get("value"))
        for name, node in named
        for one in node.findall("properties/property")
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is full")
def test_a_full_disk_under_the_junit_file_costs_no_finding(project):
    """Without this, pytest would end with a traceback, and print nothing of this plugin."""
    project.write({"leaky.py": LEAKY})
    result = project.check(FAST, *target("leaky"), "--junit-xml=/dev/full", "--reload-leak-report-only")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["--junitxml: could not write '/dev/full': No space left on device; it is not whole"]
    )
    assert "host.listeners[*]" in result.stdout.str()
    assert_no_traceback(result)


def test_a_junit_file_that_cannot_be_written_is_told_before_anything_runs(project):
    """Without this, pytest would say so when all is done."""
    (project.path / "junit.xml").symlink_to("missing/junit.xml")
    result = project.check(FAST, *target("any"), "--junit-xml=junit.xml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = errors(result)
    assert line.startswith("--junitxml: cannot write ")
    assert line.endswith("junit.xml': No such file or directory; name a file in an existing directory")


@pytest.mark.parametrize("family", ["xunit1", "xunit2"])
def test_junit_has_outcome_and_findings_as_properties(project, family):
    """They are with the test where the family has a place there, else with the suite; the file is valid."""
    project.write(
        {
            "leaky.py": LEAKY,
            "cured.py": CURED,
            "loud.py": LOUD + textwrap.dedent(LEAKY),
            "broken.py": "0 / 0\n",
        }
    )
    names = ("leaky", "cured", "loud", "broken")
    project.check(
        FAST, *target(*names), "--junit-xml=junit.xml", f"-ojunit_family={family}", "-ojunit_logging=all"
    )

    root = ElementTree.parse(project.path / "junit.xml").getroot()
    found = [one for one in properties(root) if one[1].startswith("reload_leak_")]
    where = {name: f"{name}[reimport]" if family == "xunit1" else None for name in names}
    outcomes = dict.fromkeys(names, "error") | {"leaky": "leaking", "loud": "leaking", "cured": "clean"}
    assert sorted(one for one in found if one[1] == "reload_leak_outcome") == sorted(
        (where[name], "reload_leak_outcome", f"{name} (reimport): {outcomes[name]}") for name in names
    )
    signature = next(
        check["findings"][0]["signature"] for check in project.checks() if check["target"] == "leaky"
    )
    said = f"{signature} retained-generation growing" + ("" if family == "xunit1" else " in leaky")
    assert (where["leaky"], "reload_leak_finding", said) in found
    if family == "xunit2":
        xmlschema.validate(str(project.path / "junit.xml"), str(JUNIT))


def test_junit_of_xdist_and_of_a_fixture_is_valid_too(project):
    """Also where nothing collects the checks, as without the flag: then there are no properties."""
    project.write(
        {"leaky.py": LEAKY, "test_it.py": "def test_it(reload_leaks): reload_leaks.check('leaky')\n"}
    )
    for options in (["--reload-leak-check", *target("leaky"), "-n1"], ["-n0"]):
        project.pytester.runpytest_subprocess(
            "-preloadleak", "-pxdist", "test_it.py", FAST, "--junit-xml=junit.xml", *options
        )
        xmlschema.validate(str(project.path / "junit.xml"), str(JUNIT))
        values = [
            value for _, name, value in properties(ElementTree.parse(project.path / "junit.xml").getroot())
        ]
        assert ("leaky (reimport): leaking" in values) == ("-n1" in options)
