"""The tool as a judge: a fork server that has imported pytest-reloadleak and checks the modules of its requests.

python asking.py --serve FOLDER      answer requests
python asking.py --imports           print what a target finds loaded
"""

import faulthandler  # noqa: F401 - the tool's own worker loads it
import sys

import forking
import psutil

from pytest_reloadleak.check import measure_reload
from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.report import terminal
from pytest_reloadleak.report.jsonfile import to_dict


def judge(request):
    """The report of one check, and its text."""
    try:
        report = measure_reload(request["module"], strategy=request["strategy"], rounds=request["rounds"])
    except UsageError as error:
        return {"error": f"refused: {error}"}
    return {**plain(to_dict(report)), "text": terminal.text(report, verbose=False)}


def plain(value):
    """A value as JSON has it."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


if __name__ == "__main__":
    psutil.Process().create_time()
    if sys.argv[1] == "--imports":
        # What a target finds loaded, the tool aside: those modules import a target too, as any program may.
        ours = ("pytest_reloadleak", "forking", "__main__", "_frozen")
        print(*(name for name in sys.modules if not name.startswith(ours)), sep="\n")
    else:
        forking.serve(judge, sys.argv[2])
