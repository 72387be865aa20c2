"""Find child processes: those that run, and zombies that nothing waited for.

A process that a `multiprocessing` server forked is the server's child. It is found through the program's own object for
it, and a process whose parent ended is found by its environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from pytest_reloadleak.effects import spelling
from pytest_reloadleak.effects.probe import Effect, Identity, Probe, Scope
from pytest_reloadleak.effects.system import owners
from pytest_reloadleak.effects.system.orphans import Orphans
from pytest_reloadleak.heap import foreign
from pytest_reloadleak.holders.sweep import Cause

_TASKS = "/proc/self/task"
_IN_NAME, _IN_DETAILS = 60, 200
"""Characters of a command line that a name and the details show."""

_stat = os.stat
_listdir = os.listdir
_open = open
_getpid = os.getpid
_waitid = vars(os).get("waitid")  # not on Windows; not in macOS's Python before 3.13


class Children(Probe):
    """Children of this process."""

    name = "children"
    kinds = ("child-process",)
    judges_older = False
    is_transient = True

    def __init__(self) -> None:
        self._orphans: Orphans | None = None

    def begin(self, scope: Scope) -> None:
        """Record the children from before the first generation: they are not the target's."""
        super().begin(scope)
        self._directory = os.getcwd()
        self._orphans = Orphans()
        self._first = set(self.identities())

    def identities(self) -> Iterable[Identity]:
        """Number and start time: the system reuses the number of a child that ended."""
        return [*present().items(), *self._without_parent().items()]

    def _without_parent(self) -> dict[int, int | str]:
        return dated(self._orphans.present()) if self._orphans is not None else {}

    def effects(self) -> list[Effect]:
        """Every child that appeared after the first generation."""
        orphans = self._without_parent()
        found = {p: s for p, s in {**orphans, **present()}.items() if (p, s) not in self._first}
        if not found:
            return []
        known = owners.of_children()
        children = [_Child(pid, known.get(pid), self._directory, is_orphan=pid in orphans) for pid in found]
        names = spelling.settled(child.name for child in children)
        return [_effect(child, found[child.pid], names[child.name]) for child in children]

    def end(self) -> None:
        """Remove the mark for children from the environment."""
        if self._orphans is not None:
            self._orphans.end()

    def containers(self) -> Iterable[object]:
        """The lists in which `subprocess` and `multiprocessing` keep processes that nothing has waited for."""
        return [o for o in (_attribute("subprocess", "_active"), _started()) if o is not None]


def present() -> dict[int, int | str]:
    """The start time of each child, by its number."""
    pids = {*(() if _is_childless() else _direct()), *_of_servers()}
    return dated(pids)


def count() -> int:
    """The number of direct children. `psutil` would read the parent of every process of the system."""
    return 0 if _is_childless() else len(_direct())


def dated(pids: Iterable[int]) -> dict[int, int | str]:
    """The start time of each process that runs, by its number."""
    found = {pid: _since(pid) for pid in pids}
    return {pid: since for pid, since in found.items() if since is not None}


def _is_childless() -> bool:
    """Whether this process has no child, by one system call that reaps none."""
    if _waitid is None:
        return False
    try:
        _waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def _direct() -> list[int]:
    if _is_there(f"{_TASKS}/{_getpid()}/children"):
        return [pid for task in _listdir(_TASKS) for pid in _of_task(task)]
    import psutil  # not Linux, or a Linux without these lists

    return [child.pid for child in psutil.Process(_getpid()).children()]


def _is_there(path: str) -> bool:
    try:
        _stat(path)
    except OSError:
        return False
    return True


def _of_task(task: str) -> list[int]:
    try:
        with _open(f"{_TASKS}/{task}/children", "rb") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:  # the thread has ended
        return []


def _of_servers() -> list[int]:
    """Processes of `multiprocessing`, including those that its server forked."""
    pids = []
    for process in list(_started() or ()):
        starter = dict.get(foreign.instance_dict(process) or {}, "_popen")
        pid = dict.get(foreign.instance_dict(starter) or {}, "pid")
        if type(pid) is int:
            pids.append(pid)
    return pids


def _started() -> set[Any] | None:
    """What `multiprocessing` lists as started and not yet joined."""
    found = _attribute("multiprocessing.process", "_children")
    return found if type(found) is set else None


def _attribute(module: str, name: str) -> object:
    return dict.get(foreign.namespace(module), name)


def _since(pid: int) -> int | str | None:
    """The start time of a process, in a unit of the system; `None` if no process has this number."""
    try:
        with _open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except ProcessLookupError:
        return None
    except OSError:
        if _is_there("/proc/self/stat"):
            return None
    import psutil

    try:
        return str(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


class _Child:
    """One child as the system describes it."""

    def __init__(self, pid: int, known: owners.Child | None, directory: str, *, is_orphan: bool) -> None:
        import psutil

        self.pid = pid
        self.is_orphan = is_orphan
        self.known = known
        self.status, line = "gone", []
        try:
            process = psutil.Process(pid)
            self.status = process.status()
            line = process.cmdline()
        except Exception:  # noqa: BLE001, S110 - it ended meanwhile, or the target patched what psutil calls
            pass
        self.is_zombie = self.status in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD, "gone"}
        is_fork = bool(line) and line == _own_command()
        if known is not None and known.command is not None:
            line, is_fork = list(known.command), False
        # A fork has the command line of its parent, the check's process, which does not describe the child.
        self.command = "a fork of the checked process" if is_fork else " ".join(line)
        self.name = self._name(line, is_fork, directory)

    def _name(self, line: list[str], is_fork: bool, directory: str) -> spelling.Spelled:
        prefix = "zombie child process" if self.is_zombie else "child process"
        if self.is_orphan:
            prefix = "orphaned process"
        if self.known is not None and self.known.name is not None:
            # `multiprocessing`'s names contain a number that counts all processes of the program.
            named = spelling.numbered(f"{prefix} {foreign.key_text(self.known.name)}")
            return spelling.Spelled(named.exact, named.open, is_loose=named.exact != named.open)
        if is_fork or not line:
            return spelling.Spelled(f"{prefix} (forked)", f"{prefix} (forked)")
        parts = [
            spelling.file(part, directory) if os.path.isabs(part) else spelling.numbered(part)
            for part in line
        ]
        first = os.path.basename(line[0])
        parts[0] = spelling.Spelled(*2 * ("python" if first.startswith("python") else first,))
        return spelling.Spelled(
            f"{prefix} {_shortened(part.exact for part in parts)}",
            f"{prefix} {_shortened(part.open for part in parts)}",
        )


def _own_command() -> list[str]:
    import psutil

    try:
        return psutil.Process(_getpid()).cmdline()
    except Exception:  # noqa: BLE001 - as above
        return []


def _shortened(parts: Iterable[str]) -> str:
    text = " ".join(parts)
    return foreign.key_text(text if len(text) <= _IN_NAME else f"{text[: _IN_NAME - 3]}...")


def _effect(child: _Child, since: int | str, path: str) -> Effect:
    known = child.known
    objects = known.objects if known is not None else []
    kind = foreign.type_name(objects[0]) if objects else "process"
    text = f"process {child.pid}: {child.status}"
    if child.command:
        text += f", {child.command[:_IN_DETAILS]}"
    details = [text]
    if known is not None and known.descriptors:
        details.append(f"with descriptors {', '.join(map(str, sorted(known.descriptors)))}")
    do = f"wait for the {path}" if child.is_zombie else f"end the {path} and wait for it"
    advice = f"{do} on unload; nothing else does"
    if child.is_orphan:
        advice = f"end the {path} before the process that started it ends; its parent is gone, so nothing else does"
    return Effect(
        (child.pid, since),
        Cause("child-process", "child", path, kind),
        (*known.transport, *objects) if known is not None else (),
        details=tuple(details),
        advice=advice,
    )
