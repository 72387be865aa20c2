"""The order in which `reload` executes the modules of a unit: the same in each round, also in a circle of imports."""

from itertools import islice

import pytest
from cases import run

from pytest_reloadleak import measure_reload

LOG = "import host\nhost.log.append(__name__)\n"
CIRCLES = {
    "two": {"a": ["b"], "b": ["a"]},
    "three": {"a": ["b"], "b": ["c"], "c": ["a"]},
    "two circles that share a module": {"a": ["b", "c"], "b": ["a"], "c": ["a"], "d": ["a", "c"]},
}


def package(imports):
    """A package whose modules bind functions of one another, with the log of what was executed."""
    files = {
        "host": "log = []\n",
        "plug/__init__": LOG + "".join(f"import plug.{name}\n" for name in imports),
    }
    for name, others in imports.items():
        late = "".join(f"from plug.{other} import f{other}\n" for other in others)
        files[f"plug/{name}"] = f"{LOG}def f{name}(): pass\n{late}"
    return files


@pytest.mark.parametrize("strategy", ["reload", "decache", "reimport", "cascade"])
@pytest.mark.parametrize("circle", CIRCLES)
def test_each_round_executes_the_modules_in_the_same_order(circle, strategy, tmp_path):
    """Reloading moves modules within `sys.modules`; this must not decide which of a circle comes first."""
    files = package(CIRCLES[circle])
    for name, text in files.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    with run.importable(tmp_path):
        import host

        measure_reload("plug", strategy=strategy, rounds=4, warmup=0, probes=["references"])
        log = iter(host.log)

    size = len(files) - 1
    rounds = list(iter(lambda: list(islice(log, size)), []))
    assert len(rounds) > 4
    # The first is the import of the package.
    assert all(order == rounds[1] for order in rounds[1:])
