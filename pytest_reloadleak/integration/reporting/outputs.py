"""Write a session's reports to the files that options name: whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

OUTPUTS = ("json", "html", "sarif", "codequality")
"""The options `--reload-leak-NAME=FILE`."""
_READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class Outputs:
    """The files to write at the end of a session.

    Args:
        config: pytest's configuration.
        baseline: the option or ini key that names the baseline, and its path.

    Raises:
        pytest.UsageError: a file cannot be written; nothing has run yet.
    """

    def __init__(self, config: pytest.Config, baseline: tuple[str, Path | None]) -> None:
        self.paths: dict[str, Path] = {}
        for name in OUTPUTS:
            given = config.getoption(f"reload_leak_{name}")
            if given is not None:
                assert_writable(given, f"--reload-leak-{name}")
                # The target may change the working directory.
                self.paths[name] = Path(os.path.abspath(given))
        xml = os.path.expanduser(os.path.expandvars(config.getoption("xmlpath", None) or ""))
        if xml and Path(xml).absolute().parent.is_dir():  # pytest creates missing directories
            assert_writable(xml, "--junitxml")  # pytest tries it when all is done, and fails with a traceback
        # A report would replace the files of these options as well.
        others = dict([baseline, ("--junitxml", config.getoption("xmlpath", None))])
        given_paths = {f"--reload-leak-{name}": path for name, path in self.paths.items()}
        _assert_distinct(
            given_paths | {name: Path(os.path.abspath(path)) for name, path in others.items() if path}
        )

    def write(self, contents: Mapping[str, Callable[[], str]]) -> list[str]:
        """Write all files.

        Args:
            contents: for each name in `OUTPUTS` a function that renders the file.

        Returns:
            One line per file that could not be written.
        """
        failures = []
        for name, path in self.paths.items():
            failure = _failure(path, contents[name]())
            if failure is not None:
                failures.append(f"--reload-leak-{name}: {failure}; the file keeps what it had")
        return failures


def _failure(path: Path, text: str) -> str | None:
    """Write a file. Returns the reason if it could not be written, else `None`."""
    try:
        write_whole(path, text)
    except OSError as error:
        return f"could not write {str(path)!r}: {error.strerror or error}"
    return None


def _assert_distinct(paths: Mapping[str, Path]) -> None:
    """Raise if two options name the same file: only the last report would be left."""
    first: dict[str, str] = {}
    for option, path in paths.items():
        other = first.setdefault(os.path.realpath(path), option)
        if other != option and not _is_stream(path):
            raise pytest.UsageError(
                f"{other} and {option} name the same file, {str(path)!r}; give each its own"
            )


def _is_stream(path: Path) -> bool:
    """Whether a path leads to a device, a pipe or an open descriptor, which is written to and not replaced."""
    if path.exists() and not path.is_file():
        return True
    return path.is_absolute() and path.parts[1:2] in {("dev",), ("proc",)} and path.exists()


_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")
_NAMED = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}


def _write_stream(path: Path, data: bytes) -> None:
    """Write to a stream, without waiting for a reader of a named pipe."""
    found = _DESCRIPTOR.fullmatch(str(path))
    number = int(found[1]) if found else _NAMED.get(str(path))
    if number is not None:
        # Use the descriptor itself: another one of the same file would have its own position in the file.
        sys.stdout.flush()
        descriptor = os.dup(number)
    else:
        try:
            descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            if error.errno == errno.ENXIO:
                raise OSError(error.errno, "nobody reads this pipe") from None
            raise
        if hasattr(os, "set_blocking"):
            os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)


def assert_writable(given: str, where: str) -> None:
    """Raise before anything runs if a file cannot be written. An existing file keeps its content.

    Args:
        given: the path as the user wrote it.
        where: the option or ini key, for the error.

    Raises:
        pytest.UsageError: one line that says why.
    """
    try:
        if not given:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if _is_stream(Path(given)) and not Path(given).is_dir():
            return  # opening it could wait or consume something
        real = Path(os.path.realpath(given))  # of a link to a missing file, the file
        if real.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        is_new = not real.exists()
        with real.open("a", encoding="utf-8"):
            pass
        if is_new:
            real.unlink()
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise pytest.UsageError(
            f"{where}: cannot write {given!r}: {said}; name a file in an existing directory"
        ) from None


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it has either its old or its whole new content, even after a crash or on a full disk.

    The text goes to a temporary file beside it, which replaces it once it is on the disk. A device or a pipe is written
    directly, `/dev/stdout` too, and so is a file in a directory where no file can be created.

    Raises:
        OSError: the file could not be written.
    """
    data = text.encode("utf-8", "backslashreplace")
    if _is_stream(path):
        _write_stream(path, data)
        return
    path = Path(os.path.realpath(path))  # the link stays, and its file changes
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        if error.errno not in _READ_ONLY or not path.is_file():
            raise
        with path.open("wb") as stream:
            stream.write(data)
        return
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(_mode(path))
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _mode(path: Path) -> int:
    """The permissions of the existing file, or those of a new one. `mkstemp` gives permissions only to the owner."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
