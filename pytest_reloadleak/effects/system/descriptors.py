"""Find every descriptor that this process has open, and identify it by its number and by what it is.

The path is not enough: a file that is opened twenty times has twenty descriptors. The system numbers sockets and pipes,
so each is distinct. A file that is closed and reopened under the same number looks the same, and so do all epolls,
eventfds and timers, which the system does not distinguish.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from pytest_reloadleak.effects import spelling
from pytest_reloadleak.effects.probe import Effect, Identity, Probe, Scope
from pytest_reloadleak.effects.spelling import Description, Spelled
from pytest_reloadleak.effects.system import children, files, owners, sockets
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders.sweep import Cause

_DIRECTORIES = ("/proc/self/fd", "/dev/fd")
"""Where systems list them. The first has links that show what each one is."""

_listdir = os.listdir
_readlink = os.readlink
_fstat = os.fstat


class _Open(NamedTuple):
    """An open descriptor, as values."""

    number: int
    device: int
    inode: int
    mode: int
    """The type of file, as `stat.S_IFMT` returns it."""
    text: str = ""
    """The path or address, only where the system lists no descriptors."""
    again: int = 0
    """The count among those with the same text, only where `text` is set."""

    @property
    def identity(self) -> Identity:
        return (self.number, self.device, self.inode, self.mode, self.text, self.again)


class Descriptors(Probe):
    """Open descriptors."""

    name = "fds"
    kinds = ("open-fd",)
    judges_older = False

    def begin(self, scope: Scope) -> None:
        """Record what is open before the first generation: it is not the target's."""
        super().begin(scope)
        self._cwd = os.getcwd()
        self._directory = next((path for path in _DIRECTORIES if os.path.isdir(path)), None)
        self._first = {one.identity for one in self._present()}
        self._links: dict[Identity, str] = {}
        self._earlier = self._links

    def identities(self) -> Iterable[Identity]:
        """Number, device, inode and type."""
        present = [one.identity for one in self._present()]
        self._first.intersection_update(present)
        known = self._earlier = self._links
        self._links = {
            key: known[key] if key in known else self._link(int(key[0]))
            for key in present
            if key not in self._first
        }
        return present

    def glance(self, causes: Collection[Cause]) -> Iterable[Identity]:
        """The same, without the links."""
        del causes
        return [one.identity for one in self._present()]

    def effects(self) -> list[Effect]:
        """Every descriptor that was opened after the first generation, except the pipes of children."""
        found = [one for one in self._present() if one.identity not in self._first]
        if not found:
            return []
        of_children = _of_children()
        found = [one for one in found if one.number not in of_children]
        owned = owners.of_descriptors({one.number for one in found})
        descriptions = self._descriptions(found, owned)
        names = spelling.settled(description.name for description in descriptions)
        return [
            _effect(one, description, names[description.name], owned.get(one.number, ()))
            for one, description in zip(found, descriptions, strict=True)
        ]

    def collected(self, gone: Iterable[Identity]) -> Iterable[str]:
        """Notes about descriptors that were open when the process began to settle, and closed when it had settled."""
        links = [(key, self._earlier[key]) for key in gone if key in self._earlier]
        names = [files.described(int(key[3]), link, self._cwd).name.open for key, link in links]
        return [f"relied on the collector to close: {name}" for name in sorted(set(names))]

    def blind(self) -> str | None:
        """Without a directory of descriptors, `psutil` lists only files and sockets."""
        if self._directory is not None:
            return None
        return "descriptors: this system lists only files and sockets, so pipes and other kinds were not seen"

    def end(self) -> None:
        """Forget what was there."""
        self._first, self._links, self._earlier = set(), {}, {}

    def _present(self) -> list[_Open]:
        return _listed(self._directory) if self._directory is not None else _reported()

    def _link(self, number: int) -> str:
        try:
            return _readlink(f"{self._directory}/{number}")
        except OSError:  # closed meanwhile, or a system whose directory has no links
            return ""

    def _descriptions(self, found: list[_Open], owned: dict[int, tuple[Any, ...]]) -> list[Description]:
        """Describe each one. `psutil` lists all sockets at once and, where there are no links, all files."""
        has_sockets = any(one.mode == stat.S_IFSOCK and not one.text for one in found)
        addresses = sockets.addresses() if has_sockets else {}
        links = {one.number: one.text or self._link(one.number) for one in found}
        if not all(links.values()):
            links = {**_paths(), **{number: link for number, link in links.items() if link}}
        of_loops = owners.of_loops()
        descriptions = []
        for one in found:
            if one.number in of_loops:
                name = "asyncio event loop"
                detail = files.described(one.mode, links.get(one.number, ""), self._cwd).type
                descriptions.append(Description(name, Spelled(name, name), f"{detail} of an {name}"))
            elif one.mode == stat.S_IFSOCK and not one.text:
                families = (owners.socket_family(o) for o in owned.get(one.number, ()))
                known = addresses.get(one.number)
                descriptions.append(
                    known or sockets.of_family(next((f for f in families if f is not None), None))
                )
            elif one.mode == stat.S_IFSOCK:
                descriptions.append(Description("socket", spelling.numbered(one.text), one.text))
            else:
                descriptions.append(files.described(one.mode, links.get(one.number, ""), self._cwd))
        return descriptions


def _listed(directory: str) -> list[_Open]:
    """All open descriptors, as the system lists them. The one that read the list is closed by then."""
    found = []
    for name in _listdir(directory):
        try:
            status = _fstat(int(name))
        except OSError:
            continue
        found.append(_Open(int(name), status.st_dev, status.st_ino, stat.S_IFMT(status.st_mode)))
    return found


def _reported() -> list[_Open]:
    """Files and sockets, as `psutil` lists them. Some systems give no numbers, so those with one path are counted."""
    import psutil

    process = psutil.Process()
    named = [(stat.S_IFREG, file.fd, file.path) for file in process.open_files()]
    named += [
        (stat.S_IFSOCK, one.fd, sockets.described(one).detail) for one in process.net_connections(kind="inet")
    ]
    counts: dict[tuple[int, int, str], int] = {}
    found = []
    for key in named:
        counts[key] = again = counts.get(key, 0) + 1
        mode, number, text = key
        found.append(_Open(number, 0, 0, mode, text, again))
    return found


def _paths() -> dict[int, str]:
    import psutil

    try:
        return {file.fd: file.path for file in psutil.Process().open_files()}
    except Exception:  # noqa: BLE001 - as in `sockets.addresses`
        return {}


def _of_children() -> set[int]:
    """Descriptors that close when the program waits for a child. They belong to the child's finding."""
    alive = children.present()
    if not alive:
        return set()
    return {n for pid, child in owners.of_children().items() if pid in alive for n in child.descriptors}


def _effect(one: _Open, description: Description, name: str, objects: tuple[Any, ...]) -> Effect:
    path = f"fd * {name}"
    owner = f", owned by a {foreign.type_name(objects[0])}" if objects else ""
    return Effect(
        one.identity,
        Cause("open-fd", "fd", path, description.type),
        objects,
        ends_with_owner=bool(objects),
        details=(f"fd {one.number}: {description.detail}{owner}",),
        advice=f"close the {path.replace('fd * ', '', 1)} on unload",
    )
