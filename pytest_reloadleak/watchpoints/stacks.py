"""Decide whose code a frame runs, and describe a stack as values."""

from __future__ import annotations

import types
from collections.abc import Callable, Collection

from pytest_reloadleak.heap import foreign
from pytest_reloadleak.heap.own_objects import is_own
from pytest_reloadleak.holders.retention import Place, Stack

TARGET, FIRST_PARTY, OF_TESTS = range(3)
"""Ranks: the site is the line of the frame with the lowest rank in a stack."""
DEEPEST = 20
"""The largest number of frames of a stack that are kept, from the innermost outwards."""
_PLUMBING = ("importlib", "_pytest", "pluggy", "contextlib")
"""Packages whose frames explain nothing: they run the target for the reload or the test runner."""


class Ranks:
    """Whose code a frame runs.

    Args:
        owns: whether a module name belongs to the target.
        rank_of_file: `FIRST_PARTY` or `OF_TESTS` for a file of the project, `None` for any other.
        files: the target's source files, which may run under another name: `__main__`.
    """

    def __init__(
        self,
        owns: Callable[[str], bool],
        rank_of_file: Callable[[str], int | None],
        files: Collection[str] = (),
    ) -> None:
        self.owns = owns
        self._files = frozenset(files)
        self._rank_of_file = rank_of_file
        self._known: dict[tuple[str, str], int | None] = {}

    def of(self, frame: types.FrameType) -> int | None:
        """The rank of a frame's code; `None` if it is not traced."""
        file = frame.f_code.co_filename
        module = foreign.module_name(frame.f_globals)
        key = (file, module)
        if key not in self._known:
            self._known[key] = self._rank(file, module, frame)
        return self._known[key]

    def _rank(self, file: str, module: str, frame: types.FrameType) -> int | None:
        # Generated code, such as the `__init__` of a dataclass, has no line to show, but its caller has one.
        if file.startswith("<") or is_own(frame):
            return None
        return self.of_file(file, is_target=self.owns(module) or file in self._files)

    def of_file(self, file: str, *, is_target: bool) -> int | None:
        """The rank of a file's code."""
        if is_target:
            return TARGET
        try:
            return self._rank_of_file(file)
        except Exception:  # noqa: BLE001 - asks the file system by functions that the target may have patched
            return None

    def above(self, frame: types.FrameType | None) -> types.FrameType | None:
        """The innermost traced frame among a frame and its callers, up to the first frame of this tool."""
        while frame is not None and not is_own(frame):
            if self.of(frame) is not None:
                return frame
            frame = frame.f_back
        return None

    def stack(self, frame: types.FrameType, line: int) -> Stack:
        """The stack of a frame that is at a line, up to the outermost traced frame."""
        places: list[Place] = []
        found: types.FrameType | None = frame
        while found is not None and not is_own(found):
            module = foreign.module_name(found.f_globals)
            if module.partition(".")[0] not in _PLUMBING and not found.f_code.co_filename.startswith(
                "<frozen"
            ):
                at = line if found is frame else found.f_lineno or found.f_code.co_firstlineno
                file, function = foreign.code_location(found.f_code)[0], foreign.code_name(found.f_code)
                places.append(Place(file, at, function, self.of(found)))
            found = found.f_back
        while places and places[-1].rank is None:
            places.pop()
        return tuple(places[:DEEPEST])
