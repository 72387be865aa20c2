"""Find the line at which a leaking twin makes what it leaves: the one that a report must name.

It has the comment `# leak here`. Where no line has it, it is the last statement of the target that the cured twin does
not have, or the last one of all where only the host was cured.
"""

import ast
import linecache
import os
import sys
from collections.abc import Mapping

from pytest_reloadleak.model import Finding

MARK = "# leak here"


def expected(
    leaking: Mapping[str, str], cured: Mapping[str, str], target: str = "plugin"
) -> set[tuple[str, int]]:
    """File names and numbers of the lines of that statement: a call may span several.

    Args:
        leaking: sources by module name.
        cured: likewise.
        target: the module that is reloaded.
    """
    found = {
        (file_of(module), number)
        for module, source in leaking.items()
        for number, line in enumerate(source.splitlines(), start=1)
        if line.endswith(MARK)
    }
    if found:
        return found
    changed = [name for name in leaking if leaking[name] != cured.get(name)]
    module = target if target in changed or not changed or "importer" not in leaking else changed[0]
    if module == target and target not in changed and target.rpartition(".")[0] + ".__init__" in changed:
        module = target.rpartition(".")[0] + ".__init__"
    kept = set(cured.get(module, "").splitlines()) if module in changed else set()
    lines = [(n, text) for n, text in enumerate(leaking[module].splitlines(), start=1) if text.strip()]
    last, _ = ([(n, text) for n, text in lines if text not in kept] or lines)[-1]
    statement = _statement(leaking[module], last)
    return {(file_of(module), number) for number in range(statement.lineno, (statement.end_lineno or 0) + 1)}


def file_of(module: str) -> str:
    """The file name of a module."""
    return f"{module.rpartition('.')[2]}.py"


def _statement(source: str, line: int) -> ast.stmt:
    """The innermost statement that spans a line."""
    around = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    return max(around, key=lambda node: node.lineno)


WITHOUT = frozenset(
    {
        "run_in_executor",  # a pool has all its threads before the traced round
        "signal handler on a loop",  # added once, and the source has no name that would be bound
    }
)
"""Cases whose line no report names."""
UNSURE = frozenset({"sys.settrace"} if sys.version_info < (3, 12) else ())
"""Cases that take the tracer's own place."""


def assert_named(finding: Finding, lines: set[tuple[str, int]], case: str) -> None:
    """Assert that a finding's site is one of some lines, or that it has a reason instead where the case has no line."""
    if case in UNSURE:
        return
    if case in WITHOUT:
        assert finding.site is None
        assert finding.site_reason
        return
    assert finding.site is not None, finding.site_reason
    assert (os.path.basename(finding.site.file), finding.site.line) in lines
    assert finding.site == finding.sites[0]
    assert finding.site.code == linecache.getline(finding.site.file, finding.site.line).strip()
