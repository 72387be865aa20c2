"""Check what IPython executes again: its extensions, modules under `%autoreload`, and scripts under `%run`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

from pytest_reloadleak.errors import UsageError
from pytest_reloadleak.presets.preset import Hosted, Preset
from pytest_reloadleak.presets.source import Source, file_of
from pytest_reloadleak.strategies.imports.unload import enter
from pytest_reloadleak.verdict.known import Known


class Session(Hosted):
    """A shell, and the cell that its user executes after each reload.

    Args:
        name: the module.
        options: what the test gave.
    """

    def __init__(self, name: str, options: Mapping[str, object]) -> None:
        super().__init__()
        self._name = name
        self._cell = options.get("cell")
        if self._cell is not None and not isinstance(self._cell, str):
            raise UsageError(f"host={{'cell': ...}} must be the text of a cell, not {self._cell!r}")
        self.host["shell"] = options.get("shell") or _shell()

    def execute(self, cell: object) -> None:
        """Execute a cell, with its entry in the history and in `Out`; what it raises ends the check."""
        shell: Any = self.host["shell"]
        if cell is not None:
            shell.run_cell(cell, store_history=True, silent=False).raise_error()


class Extension(Session):
    """An extension of IPython."""

    def reload(self) -> None:
        """Execute it again and load it, as `%reload_ext` does once it has unloaded it; then execute the cell."""
        shell: Any = self.host["shell"]
        if self._name in sys.modules:
            importlib.reload(sys.modules[self._name])
        shell.extension_manager.load_extension(self._name)
        self.execute(self._cell)

    def unload(self, module: Any) -> None:
        """Unload it: IPython calls `unload_ipython_extension`."""
        del module
        shell: Any = self.host["shell"]
        shell.extension_manager.unload_extension(self._name)


class Autoreloaded(Session):
    """A module that a notebook imported, under `%autoreload`."""

    def __init__(self, name: str, options: Mapping[str, object]) -> None:
        super().__init__(name, options)
        self._mode = options.get("mode", 2)
        if self._mode not in _MODES:
            raise UsageError(
                f"host={{'mode': ...}} must be 1, 2 or 3, as in %autoreload 2, not {self._mode!r}"
            )
        shell: Any = self.host["shell"]
        if "autoreload" not in shell.magics_manager.magics["line"]:
            shell.extension_manager.load_extension("IPython.extensions.autoreload")
        # Since IPython 9 a change is patched in, without executing the module, unless it says --full.
        is_new = "--full" in (shell.magics_manager.magics["line"]["autoreload"].__doc__ or "")
        shell.run_line_magic("autoreload", f"{self._mode} --full" if is_new else str(self._mode))

    def reload(self) -> None:
        """Execute a cell: before it IPython reloads what has changed. The first one imports the module."""
        shell: Any = self.host["shell"]
        if self._name not in sys.modules:
            self.execute(f"import {self._name}")
            if self._mode == 1:
                shell.run_line_magic("aimport", self._name)
        else:
            # As if the file were new: it is the user's, and stays as it is.
            reloader = shell.magics_manager.registry["AutoreloadMagics"]._reloader
            reloader.modules_mtimes[self._name] = 0
        self.execute(self._cell or "pass")


class Script(Session):
    """A script, which a cell executes by `%run`: always in the same module, whose namespace IPython empties first."""

    def __init__(self, name: str, options: Mapping[str, object]) -> None:
        super().__init__(name, options)
        file = file_of(name)
        if file is None:
            raise UsageError(f"preset '%run': {name} has no file that %run could execute")
        self._file = str(file)

    def reload(self) -> None:
        """Execute the script, which has the name `__main__` during that, and then the cell."""
        shell: Any = self.host["shell"]
        magics = shell.magics_manager.registry["ExecutionMagics"]
        # %run itself shows what a script raises, and goes on.
        magics.run(f'"{self._file}"', runner=partial(shell.safe_execfile, raise_exceptions=True))
        module = shell._main_mod_cache[self._file]
        module.__name__ = "__main__"  # %run removes it, and with it the module name of the script's classes
        enter(self._name, module)
        self.execute(self._cell)


_HISTORY = (
    "end the cell with `;`, so that it has no value, or execute `%reset -f out`: IPython keeps the value of each cell "
    "in Out, _, __, ___ and _1, _2, ..., until there are more than a thousand (InteractiveShell.cache_size)"
)
_KEPT = tuple(
    (pattern, _HISTORY)
    for pattern in ("__main__._oh*", "__main__._*", "shell.user_ns_hidden*", "shell.displayhook.*")
)
"""What the shell keeps of the values of cells."""
_LAST = Known(
    pattern="retained-generation:shell.user_ns_hidden*",
    is_bounded=True,
    why="IPython keeps the value that _ had first, which `%reset out` does not remove",
)
_MODES = (1, 2, 3)


def _shell() -> Any:
    """A shell without files: no history on disk, no configuration of the user."""
    core: Any = importlib.import_module("IPython.core.interactiveshell")
    traits: Any = importlib.import_module("traitlets.config")
    config = traits.Config()
    config.HistoryManager.enabled = False
    return core.InteractiveShell(config=config)


class IPython(Preset):
    """The preset `IPython`."""

    name = "IPython"
    aliases = ("%reload_ext",)
    modules = ("IPython",)
    takes = ("shell", "cell")
    reloads = True
    hook = "unload_ipython_extension(shell), which IPython calls"

    def fits(self, source: Source) -> bool:
        """Whether it is an extension."""
        return source.defines("load_ipython_extension")

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Extension:
        """Make a shell, or take the test's own."""
        del source
        return Extension(target, options)


class Autoreload(Preset):
    """The preset `autoreload`; no source looks like it, since any module may be edited while a notebook uses it."""

    name = "autoreload"
    aliases = ("%autoreload", "ipykernel", "jupyter")
    modules = ("IPython",)
    takes = ("shell", "cell", "mode")
    is_given = False
    reloads = True
    undone = _KEPT
    known = (_LAST,)
    hook = "a cell that you execute before the next edit: %autoreload calls no hook"

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Autoreloaded:
        """Make a shell with `%autoreload`, or take the test's own."""
        del source
        return Autoreloaded(target, options)


class Run(Preset):
    """The preset `%run`; no source looks like it, since any module may be executed as a script."""

    name = "%run"
    modules = ("IPython",)
    takes = ("shell", "cell")
    is_given = False
    reloads = True
    undone = _KEPT
    known = (_LAST,)
    hook = "__reload_dispose__(data) of the script, and call it in a cell before the next %run, which calls no hook"

    def open(self, target: str, source: Source, options: Mapping[str, object]) -> Script:
        """Make a shell, or take the test's own."""
        del source
        return Script(target, options)
