"""What a reload leaves on the machine under a new name: found if the target's code made it, whatever others make."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import tempfile
import textwrap
import threading
import types
from pathlib import Path

import pytest
from cases import run
from cases.left_files import HOST, IMPORTS, TWINS

from pytest_reloadleak import measure_reload
from pytest_reloadleak.growth import makers
from pytest_reloadleak.growth.fresh_names import opened

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the cases are of things that Linux has")

ROUNDS = 3
WAYS = ("reimport", "reload", "callable")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder of temporary files, far from everybody else's."""
    with tempfile.TemporaryDirectory(prefix="rl") as name:
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)
        monkeypatch.undo()


def measured(tmp_path, source, way="reimport", host=HOST):
    """The report on a target with this source."""
    run.write(tmp_path, {"host": host, "plugin": IMPORTS + source})
    with run.importable(tmp_path):
        importlib.import_module("host")
        try:
            if way != "callable":
                return measure_reload("plugin", strategy=way, rounds=ROUNDS)
            importlib.import_module("plugin")
            return measure_reload("plugin", reload=load_again, rounds=ROUNDS)
        finally:
            sys.modules["host"].stop()
            assert is_untouched()


def load_again():
    """Reload as an application does that drops the module and imports it again."""
    del sys.modules["plugin"]
    importlib.import_module("plugin")


def is_untouched():
    """Whether no function is another one than before a check, and nothing traces."""
    functions = (open, os.open, os.mkdir, os.rename, os.mkfifo)
    return all(type(f) is types.BuiltinFunctionType for f in functions) and sys.gettrace() is None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("source", "cured", "registry", "path"), TWINS.values(), ids=TWINS)
def test_what_each_reload_leaves_is_one_finding(source, cured, registry, path, way, tmp_path):
    """It says what is left, under which names, and which line of the target made it."""
    del cured
    report = measured(tmp_path, source, way)

    (finding,) = report.findings
    assert (finding.kind, finding.growth, finding.per_round, finding.registry) == (
        "registration", "growing", 1.0, registry,
    )  # fmt: skip
    kind, _, name = finding.holder.path.partition(" ")
    assert (kind, name.rpartition("/")[2]) == (
        path.partition(" ")[0],
        path.partition(" ")[2].rpartition("/")[2],
    )
    assert finding.held.name == "plugin"
    assert (finding.site.file, finding.site.code) == (str(tmp_path / "plugin.py"), source)
    assert report.retained_generations == ()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("source", "cured", "registry", "path"), TWINS.values(), ids=TWINS)
def test_what_is_removed_or_overwritten_is_clean(source, cured, registry, path, way, tmp_path):
    """The twin removes what the generation before it made, or takes the same name each time."""
    del source, registry, path
    report = measured(tmp_path, cured, way)

    assert (report.outcome, report.findings, report.error) == ("clean", (), None)


OTHERS = {
    "many": (lambda: os.close(tempfile.mkstemp()[0]), 0.001, 0.01),
    "some files": (lambda: os.close(tempfile.mkstemp(prefix="job-")[0]), 0.1, 0.3),
    "some folders": (lambda: tempfile.mkdtemp(prefix="run-"), 0.1, 0.3),
}
"""What others make, how often, and how long a reload takes."""


@pytest.mark.parametrize(("make", "every_s", "reload_s"), OTHERS.values(), ids=OTHERS)
def test_what_others_make_meanwhile_is_never_reported(make, every_s, reload_s, tmp_path, folder):
    """Names that another program makes while the target sleeps do not count as the target's.

    A slow reload leaves hardly a moment in which only others run.
    """
    stop = threading.Event()

    def run_beside():
        while not stop.wait(every_s):
            make()

    thread = threading.Thread(target=run_beside)
    thread.start()
    try:
        report = measured(tmp_path, f"import time\ntime.sleep({reload_s})")
    finally:
        stop.set()
        thread.join()

    assert (report.outcome, report.findings) == ("clean", ())
    assert len(list(folder.iterdir())) > ROUNDS


@pytest.mark.parametrize(("others", "is_found"), [(0, True), (1, False)])
def test_names_of_a_very_slow_reload_are_compared_by_rate(others, is_found, folder, monkeypatch):
    """The rest is shorter than the reload, so fewer names by others appear in it."""
    clock_s = [0.0]
    monkeypatch.setattr(makers, "_now_s", lambda: clock_s[0])
    monkeypatch.setattr(makers, "_sleep", lambda _: made(others, makers._LONGEST_REST_S))
    (folder / "job-0").touch()
    seen = makers.Makers([str(folder / "job-0")])

    def made(count, within_s):
        for _ in range(count):
            (folder / f"job-{len(list(folder.iterdir()))}").touch()
        clock_s[0] += within_s

    for seen.round in range(makers.ROUNDS):
        made(2, 10)
        seen.look(is_inside=True, is_edge=True, stack=tuple)

    assert [left.per_round for left in seen.found()] == [2.0] * is_found
    assert seen.is_doubtful is not is_found


def test_a_name_that_another_program_makes_now_and_then_hides_no_leak(tmp_path, folder):
    """What appears while no code of the target runs tells how many names by others may appear while it runs."""
    host = HOST + (
        "\nreload_once = [0]\ndef reload():\n    import importlib, sys\n    reload_once[0] += 1\n"
        "    if reload_once[0] % 4 == 0: temporary()\n    del sys.modules['plugin']\n"
        "    importlib.import_module('plugin')\n"
    )
    run.write(tmp_path, {"host": host, "plugin": f"{IMPORTS}host.temporary()\n"})
    with run.importable(tmp_path):
        importlib.import_module("plugin")
        report = measure_reload("plugin", reload=sys.modules["host"].reload, rounds=ROUNDS)

    assert [(f.registry, f.per_round) for f in report.findings] == [("tempfile", 1.0)]
    assert len(list(folder.iterdir())) > ROUNDS


@pytest.mark.parametrize("below", ["", "run", "{here}"])
def test_a_folder_of_the_programs_own_is_known_by_its_name(below, tmp_path):
    """A lock beside the sources, in a folder below them, or in a folder that a name of the host's leads to."""
    own = tmp_path / "var" / "locks"
    own.mkdir(parents=True)
    (tmp_path / "run").mkdir()
    place = str(own) if below == "{here}" else str(tmp_path / below)
    host = HOST + f"\nLOCKS = {place!r}\n"
    run.write(
        tmp_path,
        {"host": host, "plugin": f"{IMPORTS}open(f'{{host.LOCKS}}/{{next(host.count)}}.pid', 'w').close()"},
    )
    with run.importable(tmp_path):
        report = measure_reload("plugin", rounds=ROUNDS)

    assert [(f.registry, f.holder.path.rpartition("/")[2]) for f in report.findings] == [("files", "*.pid")]


@pytest.mark.parametrize("most", [0, 1000], ids=["a large folder", "a small one"])
@pytest.mark.parametrize(
    ("made", "outcome"),
    [("tempfile.mkdtemp()", "leaking"), ("os.rmdir(tempfile.mkdtemp())", "clean")],
    ids=["kept", "removed"],
)
def test_the_line_is_found_in_a_large_folder_too(most, made, outcome, tmp_path, monkeypatch):
    """Not the last line of the module, where a large folder is listed in any case."""
    monkeypatch.setattr(makers, "_MANY", most)
    report = measured(tmp_path, f"made = {made}\nlater = 1\n\n\ndef last():\n    pass\n")

    assert report.outcome == outcome
    assert [f.site.code for f in report.findings] == [f"made = {made}"] * (outcome == "leaking")


@pytest.mark.parametrize("is_full", [True, False], ids=["full", "empty"])
def test_a_pool_of_fixed_size_is_clean(is_full, tmp_path):
    """A program that keeps its newest seven logs removes as many as it makes, once it has seven.

    A pool that is full loses an older log for each one that the watched rounds make, so the new ones alone look like a
    leak.
    """
    source = (
        "names = sorted(os.listdir(host.folder()))\n[os.unlink(host.place(n)) for n in names[:-6]]\n"
        "open(host.fresh('log-{}'), 'w').close()"
    )
    run.write(tmp_path, {"host": HOST, "plugin": IMPORTS + source})
    with run.importable(tmp_path):
        host = importlib.import_module("host")
        for _ in range(7 * is_full):
            Path(host.fresh("log-{}")).touch()
        report = measure_reload("plugin", rounds=ROUNDS if is_full else 8)

    assert (report.outcome, report.findings) == ("clean", ())


def test_the_probe_is_chosen_by_its_name(tmp_path):
    """`files` selects it, and so does the kind of finding."""
    run.write(tmp_path, {"host": HOST, "plugin": IMPORTS + "host.temporary()"})
    with run.importable(tmp_path):
        kinds = [
            [f.kind for f in measure_reload("plugin", rounds=ROUNDS, probes=probes).findings]
            for probes in (["files"], ["registration"], ["threads"])
        ]

    assert kinds == [["registration"], ["registration"], []]


def test_what_the_host_makes_at_each_reload_is_its_own(tmp_path, folder):
    """A reloader that keeps a log of each reload makes a file without the target's code."""
    run.write(tmp_path, {"host": HOST, "plugin": IMPORTS})

    def load():
        sys.modules["host"].temporary()
        load_again()

    with run.importable(tmp_path):
        importlib.import_module("plugin")
        report = measure_reload("plugin", reload=load, rounds=ROUNDS)

    assert (report.outcome, report.findings) == ("clean", ())
    assert len(list(folder.iterdir())) > ROUNDS


@pytest.mark.parametrize("made", ["tempfile.NamedTemporaryFile()", "tempfile.TemporaryDirectory()"])
def test_what_is_in_use_is_reported_once(made, tmp_path):
    """A file that is open is an open descriptor, and a directory with a finalizer is an entry of that registry."""
    report = measured(tmp_path, f"host.kept.append({made})")

    (finding,) = report.findings
    assert finding.registry in {None, "weakref.finalize"}


def test_an_async_server_leaves_its_file_too(tmp_path):
    """The loop removes the file of its server from 3.13 on, and not before."""
    source = (
        "import asyncio\nasync def serve():\n"
        "    (await asyncio.start_unix_server(print, host.fresh('s{}.sock'))).close()\nasyncio.run(serve())"
    )
    report = measured(tmp_path, source)

    expected = [("sockets", "plugin.serve")] if sys.version_info < (3, 13) else []
    assert [(f.registry, f.held.name) for f in report.findings] == expected
    assert asyncio.run(asyncio.sleep(0, True))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a"], "a"),
        (["tmp12345678"], "tmp*"),
        (["tmpaaaaaaab", "tmpaaaaaaac"], "tmp*"),
        (["psm_1a2b3c4d", "psm_1a2b3c9d", "psm_1a2b4d4d"], "psm_*"),
        (["job-abcdefgh.lock", "job-abzdefgh.lock"], "job-*.lock"),
        (["app-19.pid", "app-20.pid", "app-119.pid"], "app-*.pid"),
        (["app-19.pid", "app-19.pid"], "app-*.pid"),
        (["x-00ff11ee", "x-00ff12ee"], "x-*"),
        (["day one", "day two"], "day *"),
    ],
)
def test_names_are_open_where_each_is_made_anew(names, expected):
    """What two drawn names have in common by chance is no part of the name."""
    assert {*opened(names)} == {expected}


NAMED = {
    "a directory": ("place = tempfile.mkdtemp()", "import shutil\nshutil.rmtree(place)"),
    "a file with its descriptor": (
        "made = tempfile.mkstemp()\nos.close(made[0])",
        "os.remove(made[1])",
    ),
    "a path": (
        "place = Path(host.fresh('app-{}.pid'))\nplace.write_text('1')",
        "os.remove(place)",
    ),
    "a file object": (
        "file = tempfile.NamedTemporaryFile(delete=False)\nfile.close()",
        "os.remove(file.name)",
    ),
    "a FIFO": ("place = host.place(uuid.uuid4().hex)\nos.mkfifo(place)", "os.remove(place)"),
    "a segment": (
        (
            "memory = host.SharedMemory(create=True, size=8)\n"
            "host.resource_tracker.unregister(memory._name, 'shared_memory')\n"
            "host.segments.append(memory.name)\nmemory.close()"
        ),
        "memory.close()\nmemory.unlink()",
    ),
}
"""By what has the name: a source that leaves something, and the cure."""


@pytest.mark.parametrize("way", ["reimport", "reload"])
@pytest.mark.parametrize("name", NAMED)
def test_the_cure_removes_what_the_target_has_a_name_for(name, way, tmp_path):
    """Whatever has the name. Applied in the dispose hook, it makes the target clean."""
    source, cure = NAMED[name]

    report = measured(tmp_path / "leaking", f"{source}\n", way)

    assert [finding.cure for finding in report.findings] == [cure]
    if name == "a segment":
        cure += "\nhost.segments.remove(memory.name)"
    hook = f"def __reload_dispose__(data):\n{textwrap.indent(cure, '    ')}\n"
    assert measured(tmp_path / "cured", f"{source}\n{hook}", way).outcome == "clean"


def test_without_a_name_there_is_no_cure(tmp_path):
    """The advice says what to do."""
    (finding,) = measured(tmp_path, "tempfile.mkdtemp()\n").findings

    assert finding.cure is None
    assert finding.advice.startswith("remove the directory on unload")
