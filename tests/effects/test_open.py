"""Descriptors and child processes that a reload leaves open or running (`cases/open_things.py`)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from cases import lines, open_things, run

from pytest_reloadleak.effects import cures, spelling
from pytest_reloadleak.effects.probe import Scope
from pytest_reloadleak.effects.system import descriptors, files, sockets
from pytest_reloadleak.effects.system.children import Children
from pytest_reloadleak.effects.system.descriptors import Descriptors
from pytest_reloadleak.report.jsonfile import from_dict, to_dict

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the cases are of things that Linux has")

SCOPE = Scope(owns=lambda name: name == "plugin", generation=lambda: 0)


def measured(directory: Path, source: str, strategy: str, *, own_process: bool = False) -> dict[str, Any]:
    """The report on a target with the host of the cases."""
    run.write(directory, {"host": open_things.HOST, "plugin": source})
    if not own_process:
        report = to_dict(run.measure_and_undo(directory, "plugin", strategy, open_things.ROUNDS))
        return json.loads(json.dumps(report))
    command = [sys.executable, run.__file__, str(directory), "plugin", strategy, str(open_things.ROUNDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def cases() -> list[Any]:
    """Parameters: each pair of twins with each strategy."""
    return [
        pytest.param(
            twins,
            strategy,
            id=f"{twins.name}-{strategy}",
            marks=pytest.mark.skipif(
                bool(twins.needs) and not hasattr(os, twins.needs), reason=f"no os.{twins.needs}"
            ),
        )
        for twins in open_things.TWINS
        for strategy in open_things.BOTH
    ]


@pytest.mark.parametrize(("twins", "strategy"), cases())
def test_what_stays_open_is_one_finding(twins, strategy, tmp_path):
    """It names the kind of descriptor or process, how many each reload leaves, and its owner if that is known."""
    report = measured(tmp_path, twins.leaking, strategy, own_process=twins.own_process)

    own_file = spelling.file(str(tmp_path / "plugin.py"), os.getcwd()).exact
    found = [(f["kind"], f["holder"]["path"], f["held"]["name"], f["growth"]) for f in report["findings"]]
    assert found == [(twins.kind, twins.path.replace("FILE", own_file), twins.held, "growing")]
    (finding,) = report["findings"]
    assert finding["per_round"] == twins.per_round
    assert finding["generations"] == [-1, 0, 1]
    assert finding["registry"] is None
    assert finding["holder"]["type"] == twins.type
    wanted = lines.expected({"plugin": twins.leaking}, {"plugin": twins.target("opened")})
    lines.assert_named(from_dict(report).findings[0], wanted, twins.name)
    assert (report["outcome"], report["error"]) == ("leaking", None)


@pytest.mark.parametrize(("twins", "strategy"), cases())
def test_what_is_closed_is_clean(twins, strategy, tmp_path):
    """Each generation closes what the one before it had opened, under the same numbers or others."""
    report = measured(tmp_path, twins.cured, strategy, own_process=twins.own_process)

    assert (report["outcome"], report["findings"], report["error"]) == ("clean", [], None)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("strategy", open_things.BOTH)
@pytest.mark.parametrize("name", open_things.INNOCENTS)
def test_an_innocent_is_clean(name, strategy, tmp_path):
    """What is there once, or only until the process has settled, is no leak."""
    report = measured(tmp_path, dedent(open_things.INNOCENTS[name]), strategy)

    assert (report["outcome"], report["findings"], report["error"]) == ("clean", [], None)


@pytest.mark.parametrize("strategy", open_things.BOTH)
def test_the_servers_of_multiprocessing_are_started_once(strategy, tmp_path):
    """A resource tracker is a child that stays for the whole program, with a pipe to it."""
    source = "from multiprocessing import resource_tracker\nresource_tracker.ensure_running()\n"

    report = measured(tmp_path, source, strategy, own_process=True)

    assert (report["outcome"], report["findings"]) == ("clean", [])


@pytest.mark.parametrize(
    "twins", [t for t in open_things.TWINS if t.detail and not t.own_process], ids=lambda twins: twins.name
)
def test_details_say_what_the_name_leaves_open(twins, tmp_path):
    """The number of the descriptor or process, the whole path, the port and the state."""
    report = measured(tmp_path, twins.leaking, "reimport")

    (finding,) = report["findings"]
    what, _, text = finding["details"][0].partition(": ")
    assert what.rstrip("0123456789") in {"fd ", "process "}
    assert what[-1].isdigit()
    assert text.startswith(twins.detail)
    assert "*" not in text


def test_a_child_has_its_pipes(tmp_path):
    """Descriptors that close with the end of the child belong to the child's finding."""
    report = measured(tmp_path, open_things.CHILDREN[0].leaking, "reimport")

    (finding,) = report["findings"]
    assert finding["details"][1].startswith("with descriptors ")


# -- the probes by themselves ------------------------------------------------------------------------------------------


def seen(probe: Descriptors | Children) -> dict[str, tuple[str, ...]]:
    """Path and details of each effect of a probe that has begun."""
    return {effect.cause.path: effect.details for effect in probe.effects()}


@pytest.fixture
def probe():
    """A probe that has begun."""
    probe = Descriptors()
    probe.begin(SCOPE)
    yield probe
    probe.end()


def test_a_probe_sees_no_descriptor_of_its_own(probe):
    """It opens a directory in order to look, and sees nothing new twice."""
    assert list(probe.identities()) == list(probe.identities())
    assert probe.effects() == []


def test_a_descriptor_is_told_by_its_number_and_by_what_it_is(probe, tmp_path):
    """Another descriptor of one file is another; one that takes its number is another if it is of something else."""
    path = tmp_path / "file"
    path.touch()
    before = set(probe.identities())
    first = os.open(path, os.O_RDONLY)
    second = os.open(path, os.O_RDONLY)
    try:
        both = set(probe.identities()) - before
        os.dup2(os.open("/dev/null", os.O_RDONLY), second)
        after = set(probe.identities()) - before
    finally:
        numbers = {identity[0] for identity in set(probe.identities()) - before}
        for number in numbers:
            os.close(number)

    assert len(both) == 2
    assert len(after & both) == 1
    assert {first, second} <= numbers


def test_a_port_of_its_own_choice_is_named(probe, monkeypatch):
    """The path names a port that the program chose; a port that the system chose differs in each round."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        chosen = set(seen(probe))
        monkeypatch.setattr(sockets, "dynamic_ports", lambda: range(0))
        asked = seen(probe)

    assert chosen == {"fd * socket listening on 127.0.0.1:*"}
    (detail,) = asked[f"fd * socket listening on 127.0.0.1:{port}"]
    assert detail.endswith(f": socket 127.0.0.1:{port} LISTEN, owned by a socket.socket")


def test_the_outermost_file_object_owns_a_descriptor(probe):
    """Who opens a text file knows the text file, not what it is made of."""
    with open(__file__, encoding="utf-8") as file:
        (effect,) = probe.effects()

        assert effect.values == (file, file.buffer, file.buffer.raw)
    assert probe.effects() == []


def test_a_bound_unix_socket_is_named(probe, tmp_path, monkeypatch):
    """By the path that it is bound to, relative to where the program runs."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("server.sock")

        assert set(seen(probe)) == {"fd * unix socket server.sock"}


def test_without_links_psutil_names_the_files(monkeypatch, tmp_path):
    """As on macOS, whose directory of descriptors has no links: files and sockets are known all the same."""
    monkeypatch.setattr(descriptors, "_readlink", no_link)
    probe = Descriptors()
    probe.begin(SCOPE)
    path = tmp_path / "file"
    path.touch()
    with open(path), socket.create_server(("127.0.0.1", 0)):
        r, w = os.pipe()
        found = seen(probe)
        os.close(r)
        os.close(w)
    name = spelling.file(str(path), os.getcwd()).exact

    assert set(found) == {f"fd * file {name}", "fd * socket listening on 127.0.0.1:*", "fd * pipe"}
    assert probe.blind() is None


def no_link(path: str) -> str:
    """What a directory without links says."""
    raise OSError(path)


def test_without_a_list_of_descriptors_the_probe_says_what_it_misses(monkeypatch, tmp_path):
    """As on Windows: files and sockets are seen, by path and address, and pipes are not."""
    monkeypatch.setattr(descriptors, "_DIRECTORIES", ())
    probe = Descriptors()
    probe.begin(SCOPE)
    path = tmp_path / "file"
    path.touch()
    before = set(probe.identities())
    with open(path), open(path), socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        new = set(probe.identities()) - before
        found = seen(probe)
    name = spelling.file(str(path), os.getcwd()).exact

    assert len(new) == 3
    assert f"fd * file {name}" in found
    assert any(f":{port}" in detail for details in found.values() for detail in details)
    assert "not seen" in str(probe.blind())


def test_what_settling_closed_is_noted(tmp_path, monkeypatch):
    """Of those that were there when the process began to settle, by what they are, once each."""
    monkeypatch.chdir(tmp_path)
    probe = Descriptors()
    probe.begin(SCOPE)
    path = tmp_path / "file"
    path.touch()
    numbers = [os.open(path, os.O_RDONLY) for _ in range(3)]
    there = set(probe.identities())
    for number in numbers:
        os.close(number)
    gone = there - set(probe.identities())

    assert list(probe.collected(gone)) == ["relied on the collector to close: file file"]


@pytest.mark.parametrize(
    ("mode", "link", "name"),
    [
        (0, "anon_inode:[timerfd]", "timerfd"),
        (0, "anon_inode:inotify", "inotify"),
        (0, "strange:[17]", "strange:[*]"),
        (0, "", "descriptor"),
        (0o020000, "/dev/tty1", "terminal /dev/tty1"),
        (0o020000, "/dev/null", "device /dev/null"),
        (0o010000, "/var/queue", "fifo /var/queue"),
        (0o010000, "pipe:[1234]", "pipe"),
        (0o060000, "/dev/sda1", "block device /dev/sda1"),
        (0o100000, "/memfd:shared (deleted)", "memfd shared"),
        (0o100000, "/srv/log/a.log (deleted)", "deleted file /srv/log/a.log"),
        (0o100000, "/app/log/a.log", "file log/a.log"),
    ],
)
def test_each_kind_of_descriptor_has_its_words(mode, link, name):
    """From the type and the system's link. A file below the working directory gets a relative path."""
    assert files.described(mode, link, "/app").name.exact == name


def test_numbers_are_told_where_they_agree():
    """Names that differ in numbers only are one name; one that nothing contradicts keeps its numbers."""
    names = [spelling.numbered(text) for text in ("a1.log", "a2.log", "b7.log", "b7.log")]

    assert set(spelling.settled(names).values()) == {"a*.log", "b7.log"}


def test_a_loose_number_needs_another_that_agrees():
    """The path names a port that the system chose only if several sockets have it."""
    loose = spelling.Spelled("port 40000", "port *", is_loose=True)

    assert spelling.settled([loose]) == {loose: "port *"}
    assert spelling.settled([loose, loose]) == {loose: "port 40000"}


def test_children_are_none_without_children():
    """The cheap question comes first: whether there is any child at all."""
    probe = Children()
    probe.begin(SCOPE)
    popen = subprocess.Popen(["sleep", "60"])
    try:
        (identity,) = set(probe.identities()) - set(probe._first)
    finally:
        popen.kill()
        popen.wait()

    assert identity[0] == popen.pid
    assert set(probe.identities()) <= probe._first


# -- what is only a consequence ----------------------------------------------------------------------------------------

OWN_FILE = """
    import host, io
    class Log(io.FileIO):
        pass

    VERB(Log(__file__))
"""


@pytest.mark.parametrize("strategy", open_things.BOTH)
def test_a_number_that_is_used_again_is_not_old(strategy, tmp_path):
    """A file of the target's own class, closed and opened again under its number, is as young as its class."""
    report = measured(tmp_path, dedent(OWN_FILE).replace("VERB", "host.replaced"), strategy)

    assert (report["outcome"], report["findings"]) == ("clean", [])


@pytest.mark.parametrize("strategy", open_things.BOTH)
def test_a_file_that_a_retained_object_has_is_its_consequence(strategy, tmp_path):
    """Who lets go of the object closes the file: one finding, which tells of both."""
    source = """
        import host
        class Plugin:
            def __init__(self):
                self.file = open(__file__)

            def end(self):
                self.file.close()

        class Named(Plugin):
            pass

        host.opened(Named())
    """

    report = measured(tmp_path, dedent(source), strategy)

    (finding,) = report["findings"]
    assert (finding["kind"], finding["holder"]["path"]) == ("retained-generation", "host.objects[*]")
    name = spelling.file(str(tmp_path / "plugin.py"), os.getcwd()).exact
    assert finding["also_retains"] == [f"open-fd: fd * file {name}"]
    assert len([line for line in finding["details"] if line.startswith("fd ")]) == 3


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_the_collector_closed_is_a_note(tmp_path):
    """It is no leak, and still a habit worth knowing of."""
    report = measured(tmp_path, dedent(open_things.INNOCENTS["a file that the collector closes"]), "reimport")

    name = spelling.file(str(tmp_path / "plugin.py"), os.getcwd()).open
    assert report["outcome"] == "clean"
    assert f"relied on the collector to close: file {name}" in report["notes"]


KEEPER = "files, loads = [], []\n"
OPENS = """
import host
host.loads.append(None)
if len(host.loads) == 3: host.files.append(open(__file__))
"""


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("more", "expected"), [("", False), ("def f(): pass\nhost.files.append(f)\n", True)])
def test_a_cure_is_written_only_for_what_leaks(more, expected, strategy, tmp_path, monkeypatch):
    """A file that a host opens once is old soon, but whether that calls for a cure the first pass does not know."""
    asked = []
    monkeypatch.setattr(cures, "cure_at_hand", lambda *_: asked.append(1))

    run.write(tmp_path, {"host": KEEPER, "plugin": OPENS + more})
    report = run.measure_and_undo(tmp_path, "plugin", strategy, 4)

    assert (report.outcome, bool(asked)) == ("leaking" if expected else "clean", expected)
