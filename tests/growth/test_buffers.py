"""Buffers and tables of every type that pile up: named by the holder and the line, whatever their memory comes from."""

import pytest
from cases import run

HOST = """
import array, collections, io, itertools
count = itertools.count(1000)
data, numbers, lines = bytearray(), array.array("i"), []
raw, text = io.BytesIO(), io.StringIO()
raws = {"a": bytearray()}
seen, groups, ordered = collections.Counter(), collections.defaultdict(list), collections.OrderedDict()
"""

BUFFERS = {
    "bytearray": ("host.data.extend(bytes(8_000))", "host.data[:] = bytes(8_000)", "host.data"),
    "array": ("host.numbers.extend(range(2000))", "host.numbers[:0] = host.numbers[:0]", "host.numbers"),
    "bytearray of a dict": (
        "host.raws['a'].extend(bytes(8_000))",
        "host.raws['a'][:] = bytes(8_000)",
        "host.raws['a']",
    ),
    "BytesIO": (
        "host.raw.write(bytes(8_000))",
        "host.raw.seek(0); host.raw.write(bytes(8_000))",
        "host.raw",
    ),
    "StringIO": (
        "host.text.write('x' * 8_000)",
        "host.text.seek(0); host.text.write('x' * 8_000)",
        "host.text",
    ),
}
TABLES = {
    "Counter": ("host.seen[f'n{next(host.count)}'] += 1", "host.seen['n'] += 1", "host.seen[*]"),
    "defaultdict": ("host.groups[next(host.count)] += [1]", "host.groups[0] = [1]", "host.groups[*]"),
    "OrderedDict": ("host.ordered[next(host.count)] = 1", "host.ordered[0] = 1", "host.ordered[*]"),
}
TEXTS = {
    "paragraph": (
        "host.lines.append(f'{next(host.count):300}')",
        "host.lines[:] = ['x' * 300]",
        "host.lines[*]",
    ),
    "bytes": ("host.lines.append(bytes(2_000))", "host.lines[:] = [bytes(2_000)]", "host.lines[*]"),
}
"""Too long for a line of a log, and too short to show in the numbers of malloc."""
TWINS = BUFFERS | TABLES | TEXTS


def measured(tmp_path, body, strategy="reimport"):
    """The report on a module with this body."""
    run.write(tmp_path, {"host": HOST, "plugin": f"import host\n{body}\n"})
    return run.measure_and_undo(tmp_path, "plugin", strategy, 3)


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
@pytest.mark.parametrize("what", TWINS)
def test_what_piles_up_is_one_finding_with_its_line(what, strategy, tmp_path):
    """Neither a subclass of dict nor a buffer, which the collector may not even track, is left out."""
    leaking, _, path = TWINS[what]

    (finding,) = measured(tmp_path, leaking, strategy).findings

    assert (finding.growth, finding.holder.path, finding.site.code) == ("growing", path, leaking)


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
@pytest.mark.parametrize("what", TWINS)
def test_what_takes_the_place_of_what_was_there_is_clean(what, strategy, tmp_path):
    """The cured twin writes as much over what the previous generation wrote."""
    _, cured, _ = TWINS[what]

    report = measured(tmp_path, cured, strategy)

    assert (report.outcome, report.findings) == ("clean", ())


def test_what_is_written_to_a_stream_is_a_log_while_it_is_short(tmp_path):
    """A host's log may be a stream in memory."""
    short = "for _ in range(3): host.text.write(f'{__name__} {next(host.count)}')"

    report = measured(tmp_path, short)

    assert (report.outcome, report.findings) == ("clean", ())


def test_a_buffer_can_be_exported_during_a_check(tmp_path):
    """The check reads its size in a way that lets the program go on writing."""
    body = "view = host.raw.getbuffer()\ndel view\nhost.raw.write(b'x')\nhost.raw.seek(0)"

    assert measured(tmp_path, body).outcome == "clean"


def test_a_closed_stream_is_no_error():
    """Reading its size raises, so it counts as 0."""
    import io

    from pytest_reloadleak.heap import lengths

    stream = io.StringIO("text")
    stream.seek(2)
    before = lengths.size_bytes(stream)
    stream.close()

    assert (before, lengths.size_bytes(stream), lengths.size_bytes("text")) == (2, 0, 0)
