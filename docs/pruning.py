"""Remove from a small program what it does not use, so that a page shows what matters and nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_IMPORTS = (ast.Import, ast.ImportFrom)
_MARK = "  # leak here"
"""What tells the tests of the lines which line they look for."""
_PRUNED = ("host", "plugin")
"""The modules that have a part which all twins share. In others each line matters."""


def pruned(files: Mapping[str, str]) -> dict[str, str]:
    """The same program without the definitions and imports that no other line mentions.

    Args:
        files: sources by module name.

    Returns:
        The sources again; a name that any other line has counts as used, so nothing that is needed is lost.
    """
    if any(re.search(r"import \*", source) for source in files.values()):
        return dict(files)
    now = dict(files)
    while True:
        after = {name: _without_unused(name, now) if name in _PRUNED else now[name] for name in now}
        if after == now:
            return {name: _tidy(source) for name, source in now.items()}
        now = after


def _without_unused(module: str, files: Mapping[str, str]) -> str:
    source = files[module]
    lines = source.splitlines()
    others = "\n".join(text for name, text in files.items() if name != module)
    for node in reversed(ast.parse(source).body):
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))]) - 1
        last = node.end_lineno or node.lineno
        rest = "\n".join([*lines[:first], *lines[last:], others])
        if ";" in "".join(lines[first:last]) and isinstance(node, (*_IMPORTS, ast.Assign)):
            continue
        if isinstance(node, _IMPORTS):
            own = "\n".join([*lines[:first], *lines[last:]])
            used = [alias for alias in node.names if _is_used(alias, own, module, others)]
            lines[first:last] = [] if not used else [ast.unparse(_with_names(node, used))]
        elif isinstance(node, _DEFINITIONS):
            if not _mentions(rest, node.name) and not _acts(node):
                lines[first:last] = []
        elif isinstance(node, ast.Assign) and module == "host":
            names = [n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)]
            if names and not any(_mentions(rest, name) for name in names):
                lines[first:last] = []
    return "\n".join(lines).strip("\n") + "\n" if lines else ""


def _acts(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Whether a definition does more than to bind a name: by a decorator, a base class or a default."""
    if isinstance(node, ast.ClassDef):
        return bool(node.decorator_list or node.bases or node.keywords)
    return bool(node.decorator_list or node.args.defaults or any(node.args.kw_defaults))


def _is_used(alias: ast.alias, own: str, module: str, others: str) -> bool:
    """Whether an imported name occurs in the rest of its module, or as its attribute in another one."""
    name = alias.asname or alias.name.partition(".")[0]
    return _mentions(own, name) or re.search(rf"\b{module}\.{name}\b", others) is not None


def _with_names(node: ast.Import | ast.ImportFrom, names: list[ast.alias]) -> ast.stmt:
    if isinstance(node, ast.Import):
        return ast.Import(names)
    return ast.ImportFrom(node.module, names, node.level)


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", text) is not None


def _tidy(source: str) -> str:
    """The source with the empty lines between its statements that formatters leave."""
    lines = source.replace(_MARK, "").splitlines()
    out: list[str] = []
    end, before = 0, None
    for node in ast.parse(source).body:
        statement = "\n".join(lines[end : node.end_lineno]).strip("\n")
        if before is not None and node.lineno > end:
            far = isinstance(node, _DEFINITIONS) or isinstance(before, _DEFINITIONS)
            near = isinstance(node, _IMPORTS) is not isinstance(before, _IMPORTS) or not lines[end]
            out += ["", ""] if far else [""] if near else []
        elif out:  # on the same line
            end, before = node.end_lineno or end, node
            continue
        out.append(statement)
        end, before = node.end_lineno or end, node
    return "\n".join([*out, *lines[end:]]).strip("\n") + "\n"
