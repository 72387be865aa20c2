"""The tool as a judge: a fork server that has imported pytest-reloadleak and checks what it is asked for."""

from __future__ import annotations

from typing import Any

import forking

from pytest_reloadleak.check import measure_reload
from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.report import terminal
from pytest_reloadleak.report.jsonfile import to_dict


def judge(request: dict[str, Any]) -> dict[str, Any]:
    """The report of one check, and its text."""
    try:
        report = measure_reload(
            request["module"],
            strategy=request["strategy"],
            rounds=request["rounds"],
            force=request.get("force", False),
        )
    except UsageError as error:
        return {"error": f"refused: {error}"}
    return {**to_dict(report), "text": terminal.text(report)}


if __name__ == "__main__":
    import faulthandler  # as the tool's own worker does
    import sys

    import psutil

    psutil.Process().create_time()
    if "--imports" in sys.argv:
        # What a target finds loaded, the tool aside: those modules import a target too, as any program may.
        ours = ("pytest_reloadleak", "forking", "__main__", "_frozen")
        sys.stdout.write("\n".join(name for name in sys.modules if not name.startswith(ours)))
    else:
        forking.serve(judge)
    assert faulthandler is not None
