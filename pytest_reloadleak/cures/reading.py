"""Read what sources say: which value a name has before the target replaces it, and where the target mentions a name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, NamedTuple

from pytest_reloadleak.cures.names import is_name
from pytest_reloadleak.heap import foreign, sources

DELETED = ""
"""The default of a name that its source does not define."""


class Mention(NamedTuple):
    """A call in the target's source that gets the target's object as an argument, or decorates it."""

    receiver: str
    """The expression whose method is called; empty for a plain function."""
    method: str
    arguments: tuple[tuple[str | None, str], ...]
    """Keyword (`None` for a positional one) and source of each argument; a decorated object comes last."""
    subject: int
    """Which argument is the object."""
    line: int
    locals: frozenset[str]
    """Names that are local where the call stands."""
    is_decorator: bool = False


def file_of(module: str) -> str:
    """The source file of a loaded module; empty if there is none."""
    namespace = foreign.module_dict(foreign.module_table().get(module)) or {}
    file = foreign.text(dict.get(namespace, "__file__"))
    return file if file.endswith(".py") else ""


# -- defaults ---------------------------------------------------------------------------------------------------------


def default(owner: Any, attribute: str) -> str | None:
    """The source of the literal that an attribute has at first.

    Returns:
        `DELETED` where the source of the owner does not define it; `None` where it is bound to something else than a
        literal, such as by an import: then the binding is the owner's own.
    """
    if foreign.is_module(owner):
        file = file_of(foreign.module_name(foreign.module_dict(owner) or {}))
        return _bound_in(sources.statements(file), attribute)
    cls = owner if foreign.is_class(owner) else type(owner)
    body = _class_body(cls)
    if owner is cls:
        return _bound_in(body, attribute)
    for function in (node for node in body if type(node) is ast.FunctionDef):
        for node in ast.walk(function):
            found = _assigned(node, attribute, of="self")
            if found is not None:
                return ast.unparse(found) if _is_literal(found) else "None"
    return "None"


def _class_body(cls: type) -> list[ast.stmt]:
    body = sources.statements(file_of(foreign.class_module(cls)))
    for name in foreign.class_qualname(cls).split("."):
        body = next((node.body for node in body if type(node) is ast.ClassDef and node.name == name), [])
    return body


def _bound_in(body: list[ast.stmt], name: str) -> str | None:
    for node in body:
        value = _assigned(node, name)
        if value is not None:
            return ast.unparse(value) if _is_literal(value) else None
        if type(node) in (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef) and node.name == name:  # type: ignore[attr-defined]  # all three have one
            return None
        if type(node) in (ast.Import, ast.ImportFrom):
            aliases: list[ast.alias] = node.names  # type: ignore[attr-defined]  # as above
            if any((alias.asname or alias.name.partition(".")[0]) == name for alias in aliases):
                return None
    return DELETED


def _assigned(node: ast.AST, name: str, of: str = "") -> ast.expr | None:
    if type(node) is ast.Assign:
        targets, value = node.targets, node.value
    elif type(node) is ast.AnnAssign and node.value is not None:
        targets, value = [node.target], node.value
    else:
        return None
    wanted = f"{of}.{name}" if of else name
    return value if any(ast.unparse(target) == wanted for target in targets) else None


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def value_of(module: str, name: str) -> ast.expr | None:
    """The expression that a module's source assigns to a name, wherever it first does."""
    found = (_assigned(node, name) for node in sources.walk(file_of(module), name))
    return next((value for value in found if value is not None), None)


def import_line(module: str, name: str) -> tuple[int, str] | None:
    """Line and text of the statement with which a module binds a name by import."""
    for node in sources.walk(file_of(module), name):
        if type(node) not in (ast.ImportFrom, ast.Import):
            continue
        aliases: list[ast.alias] = node.names  # type: ignore[attr-defined]  # both have them
        if any((alias.asname or alias.name) == name for alias in aliases):
            return node.lineno, ast.unparse(node)  # type: ignore[attr-defined]  # as above
    return None


# -- mentions ---------------------------------------------------------------------------------------------------------


def mentions(module: str, word: str) -> list[Mention]:
    """The calls in a module's source that are given an object of this name, the earliest first."""
    if not word:
        return []
    return sorted(_mentions(file_of(module), word), key=lambda mention: mention.line)


def _mentions(file: str, word: str) -> Iterator[Mention]:
    lines = sources.lines_with(file, word)
    # No recursion, as a long sum is deep.
    waiting: list[tuple[ast.AST, frozenset[str]]] = [
        (node, frozenset()) for node in sources.statements(file)[::-1]
    ]
    while waiting:
        node, local = waiting.pop()
        if not sources.is_near(node, lines):
            continue
        inner = local
        if type(node) in (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda):
            inner = local | _locals(node)
        if type(node) is ast.Call:
            found = _mention(node, word, local)
            if found is not None:
                yield found
        if type(node) in (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef) and node.name == word:  # type: ignore[attr-defined]  # all three have one
            for decorator in node.decorator_list:  # type: ignore[attr-defined]  # as above
                found = _decorated(decorator, word, local)
                if found is not None:
                    yield found
        waiting += [(child, inner) for child in ast.iter_child_nodes(node)][::-1]


def _locals(function: Any) -> frozenset[str]:
    parameters = function.args
    names = {a.arg for a in (*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs)}
    names |= {a.arg for a in (parameters.vararg, parameters.kwarg) if a is not None}
    body = function.body if type(function.body) is list else [function.body]
    stored = (node for part in body for node in ast.walk(part) if type(node) is ast.Name)
    declared = {
        name for part in body for node in ast.walk(part) if type(node) is ast.Global for name in node.names
    }
    return frozenset((names | {node.id for node in stored if type(node.ctx) is ast.Store}) - declared)


def _mention(call: ast.Call, word: str, local: frozenset[str]) -> Mention | None:
    receiver, method = _callee(call.func)
    given = [(None, argument) for argument in call.args]
    named = [(keyword.arg, keyword.value) for keyword in call.keywords]
    arguments: list[tuple[str | None, ast.expr]] = [*given, *named]
    for at, (_, value) in enumerate(arguments):
        if any(type(node) is ast.Name and node.id == word for node in ast.walk(value)):
            texts = tuple((name, ast.unparse(argument)) for name, argument in arguments)
            return Mention(receiver, method, texts, at, call.lineno, local) if method else None
    return None


def _decorated(decorator: ast.expr, word: str, local: frozenset[str]) -> Mention | None:
    arguments: list[tuple[str | None, str]] = []
    called = decorator
    if type(decorator) is ast.Call:
        called = decorator.func
        arguments = [(None, ast.unparse(argument)) for argument in decorator.args]
        arguments += [(keyword.arg, ast.unparse(keyword.value)) for keyword in decorator.keywords]
    receiver, method = _callee(called)
    if not method:
        return None
    arguments.append((None, word))
    return Mention(
        receiver, method, tuple(arguments), len(arguments) - 1, decorator.lineno, local, is_decorator=True
    )


def _callee(node: ast.expr) -> tuple[str, str]:
    if type(node) is ast.Attribute:
        return ast.unparse(node.value), node.attr
    return ("", node.id) if type(node) is ast.Name else ("", "")


def names_in(source: str) -> set[str] | None:
    """The names that an expression reads; `None` if evaluating it again may do or give something else."""
    try:
        tree = ast.parse(source, mode="eval")
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if type(node) in (
            ast.Call,
            ast.Lambda,
            ast.Await,
            ast.Yield,
            ast.NamedExpr,
            ast.ListComp,
            ast.GeneratorExp,
        ):
            return None
    return {node.id for node in ast.walk(tree) if type(node) is ast.Name}


def global_of(o: object) -> tuple[str, str] | None:
    """Module and name of a global whose value is `o`; `None` if there is none."""
    for module, loaded in foreign.loaded_modules():
        for name, value in list((foreign.module_dict(loaded) or {}).items()):
            if value is o and is_name(name) and module != "__main__":
                return module, name
    return None


def list_with(o: object) -> tuple[str, str] | None:
    """Module and name of a global list that has `o` as an item; `None` if there is none."""
    for module, loaded in foreign.loaded_modules():
        for name, value in list((foreign.module_dict(loaded) or {}).items()):
            if type(value) is list and is_name(name) and any(item is o for item in value):
                return module, name
    return None
