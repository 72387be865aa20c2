"""Where reports are written: files whole or not at all, streams as they are, and no file of another option's."""

import os
import pathlib
import threading

import pytest

from pytest_reloadleak.integration.gate import baseline_path
from pytest_reloadleak.integration.reporting import outputs
from pytest_reloadleak.integration.reporting.outputs import Outputs, assert_writable, write_whole


class Config:
    """As much of pytest's configuration as `Outputs` and `baseline_path` read; `ini` is the ini file's baseline."""

    inipath = None

    def __init__(self, **given):
        self.given = given
        self.rootpath = pathlib.Path.cwd()

    def getoption(self, name, default=None):
        return self.given.get(name, default)

    def getini(self, name):
        return self.given.get("ini", "") if name == "reload_leak_baseline" else ""


def outputs_of(config):
    """The files to write."""
    return Outputs(config, baseline_path(config))


def test_a_pipe_gets_the_report(tmp_path):
    """A named pipe with a reader gets all, more than a pipe holds at once."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert_writable(str(pipe), "--here")
    read = []
    with open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)) as stream:
        os.set_blocking(stream.fileno(), True)
        reader = threading.Thread(target=lambda: read.append(stream.read()))
        begin = threading.Timer(0.05, reader.start)
        begin.start()
        write_whole(pipe, "x" * 200_000)
        begin.join()
        reader.join()
    assert len(read[0]) == 200_000
    assert pipe.is_fifo()


def test_a_pipe_that_nobody_reads_is_an_error(tmp_path):
    """Opening it would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="nobody reads this pipe"):
        write_whole(tmp_path / "pipe", "text")


@pytest.mark.parametrize("form", ["/dev/fd/{}", "/proc/self/fd/{}"])
@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs Linux")
def test_an_open_descriptor_is_written_where_it_stands(tmp_path, form):
    """As with `--reload-leak-json=/dev/stdout > log`: what was printed before and after stays."""
    log = tmp_path / "log"
    with log.open("wb", buffering=0) as stream:
        path = type(log)(form.format(stream.fileno()))
        stream.write(b"before ")
        assert_writable(str(path), "--here")
        write_whole(path, "report ")
        stream.write(b"after")
    assert log.read_text() == "before report after"


def test_an_open_pipe_is_written(tmp_path):
    """`/dev/fd/63`, which a shell makes of `>(...)`, leads to no file that could be named."""
    reader, writer = os.pipe()
    path = type(tmp_path)(f"/dev/fd/{writer}")
    assert_writable(str(path), "--here")
    write_whole(path, "report")
    os.close(writer)
    with os.fdopen(reader) as stream:
        assert stream.read() == "report"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"reload_leak_json": "a", "reload_leak_sarif": "./a"}, "--reload-leak-json and --reload-leak-sarif"),
        ({"reload_leak_json": "a", "xmlpath": "b/../a"}, "--reload-leak-json and --junitxml"),
        ({"reload_leak_html": "link", "reload_leak_baseline": "a"}, "-html and --reload-leak-baseline"),
        ({"reload_leak_html": "link", "ini": "a"}, "-html and reload_leak_baseline"),
    ],
)
def test_two_options_cannot_name_one_file(tmp_path, monkeypatch, given, says):
    """The second would replace what the first wrote, and a report the team's baseline."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b").mkdir()
    (tmp_path / "a").write_text("the team's")
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(pytest.UsageError, match=f"{says} name the same file"):
        outputs_of(Config(**given))
    assert (tmp_path / "a").read_text() == "the team's"


def test_two_options_can_name_one_stream(monkeypatch, tmp_path):
    """Two reports may go to the same device one after the other."""
    assert len(outputs_of(Config(reload_leak_json=os.devnull, reload_leak_sarif=os.devnull)).paths) == 2
    assert outputs._is_stream(type(tmp_path)(os.devnull))
