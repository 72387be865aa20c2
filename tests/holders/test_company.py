"""Which holders matter: each finding names the others that must go with it, and only those."""

import pytest
from cases import run

ON = "import host\ndef on(*args): pass\nclass Plain: pass\n"

PATCH = """
older = host.convert
def convert(*arguments, older=older): return older(*arguments)
host.convert = convert; host.one.append(convert)
"""

CASES = {
    "two lists": (
        "one, two = [], []",
        "host.one.append(on); host.two.append(on)",
        {"host.one[*]": {"host.two[*]"}, "host.two[*]": {"host.one[*]"}},
    ),
    "three holders": (
        "one, two, three = [], {}, set()",
        "host.one.append(on); host.two[len(host.two)] = on; host.three.add(on)",
        {
            "host.one[*]": {"host.two[*]", "host.three[*]"},
            "host.two[*]": {"host.one[*]", "host.three[*]"},
            "host.three[*]": {"host.one[*]", "host.two[*]"},
        },
    ),
    "one that keeps only the first generation": (
        "one, first = [], []",
        "host.one.append(on); host.first or host.first.append(on)",
        {"host.one[*]": {"host.first[*]"}, "host.first[*]": {"host.one[*]"}},
    ),
    "two that take turns": (
        "one, two, n = [], [], [0]",
        "(host.two if host.n[0] % 2 else host.one).append(on); host.n[0] += 1",
        {"host.one[*]": set(), "host.two[*]": set()},
    ),
    "one that keeps the last three, beyond the grace": (
        "one, last, n = [], [None, None, None], [0]",
        "host.one.append(on); host.last[host.n[0] % 3] = on; host.n[0] += 1",
        {"host.one[*]": {"host.last[*]"}, "host.last[*]": {"host.one[*]"}},
    ),
    "a patch and a list": (
        "one = []\ndef convert(): pass",
        PATCH,
        {"host.one[*]": {"host.convert"}, "host.convert": {"host.one[*]"}},
    ),
    "a holder that only the old generation keeps": (
        "one = []\nclass Box: pass",
        "host.one.append(on); box = host.Box(); box.kept = on",
        {"host.one[*]": set()},
    ),
    "one alone": ("one = []", "host.one.append(on)", {"host.one[*]": set()}),
}


@pytest.mark.parametrize("how", run.WAYS)
@pytest.mark.parametrize("case", CASES)
def test_a_finding_names_those_that_must_go_with_it(case, how, measured):
    """Two holders of one generation must both release it; holders of other generations do not matter."""
    host, line, expected = CASES[case]

    report = measured({"host": f"{host}\n", "plugin": f"{ON}{line}\n"}, how=how)

    paths = {f.signature: f.holder.path for f in report.findings}
    assert {f.holder.path: {paths[s] for s in f.together_with} for f in report.findings} == expected
    assert {f.holder.path for f in report.findings if f.sole_holder} == {
        p for p, o in expected.items() if not o
    }
