"""Describe a descriptor that is not a socket, by its type and the system's link to it."""

from __future__ import annotations

import os
import re
import stat

from pytest_reloadleak.effects import spelling
from pytest_reloadleak.effects.spelling import Description, Spelled

_DELETED = " (deleted)"
_PTY = re.compile(r"/dev/(pts/\d+|ptmx|pts/ptmx)$")
_TERMINAL = re.compile(r"/dev/(tty.*|console)$")
_BY_TYPE = {stat.S_IFBLK: "block device", stat.S_IFDIR: "directory", stat.S_IFREG: "file"}


def described(mode: int, link: str, directory: str) -> Description:
    """Describe a descriptor.

    Args:
        mode: the type of file, as `stat.S_IFMT` returns it.
        link: the path, or the system's name for something without one; '' if unknown.
        directory: the program's working directory.
    """
    if link.startswith("anon_inode:"):
        return _plain(link.removeprefix("anon_inode:").strip("[]"))
    if mode == stat.S_IFSOCK:
        return _plain("socket")
    if link.startswith("/memfd:"):
        return _called("memfd", spelling.numbered(link.removeprefix("/memfd:").removesuffix(_DELETED)))
    if mode == stat.S_IFIFO:
        return _at("fifo", link, directory) if os.path.isabs(link) else _plain("pipe")
    if mode == stat.S_IFCHR and _PTY.match(link):
        return Description("pty", Spelled("pty", "pty"), f"pty {link}")  # one call opens both ends
    if mode == stat.S_IFCHR:
        return _at("terminal" if _TERMINAL.match(link) else "device", link, directory)
    if mode in _BY_TYPE:
        is_gone = link.endswith(_DELETED)
        kind = f"deleted {_BY_TYPE[mode]}" if is_gone else _BY_TYPE[mode]
        return _at(kind, link.removesuffix(_DELETED), directory)
    return _plain(spelling.open_numbers(link) or "descriptor")


def _plain(kind: str) -> Description:
    return Description(kind, Spelled(kind, kind), kind)


def _at(kind: str, path: str, directory: str) -> Description:
    if not path:
        return _plain(kind)
    called = _called(kind, spelling.file(path, directory))
    return Description(kind, called.name, f"{kind} {path}")


def _called(kind: str, name: Spelled) -> Description:
    return Description(kind, Spelled(f"{kind} {name.exact}", f"{kind} {name.open}"), f"{kind} {name.exact}")
