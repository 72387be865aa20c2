"""Build the extension that makes the search for holders fast, where there is a compiler.

Without one the package is pure Python and finds the same. `RELOADLEAK_ACCELERATOR=off` builds no extension, and
`required` fails where it cannot be built, as the build of wheels for others must. `pip install -v .` shows what the
compiler said.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "pytest_reloadleak.heap.levels._native"
SOURCE = "pytest_reloadleak/heap/levels/_native.c"
OLDEST = "cp310"
"""The oldest version whose stable interface has what the source uses: one wheel serves it and all later ones."""


class Accelerator(BuildHookInterface):  # type: ignore[type-arg]  # its parameter is hatchling's configuration
    """The hook that hatchling calls before it makes a wheel; an editable installation is one too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the extension and add it to the wheel.

        Args:
            version: `standard` or `editable`.
            build_data: what hatchling knows of the wheel.

        Raises:
            RuntimeError: the extension is required and cannot be built.
        """
        wanted = os.environ.get("RELOADLEAK_ACCELERATOR", "")
        self._temporary = TemporaryDirectory(prefix="reloadleak-build-")
        built = None if wanted == "off" else extension(Path(self.root), Path(self._temporary.name))
        if built is None:
            if wanted == "required":
                raise RuntimeError(f"{SOURCE} cannot be built here; the messages above say why")
            return
        place = Path(SOURCE).with_name(built.name)
        if version == "editable":
            # Python imports from the sources. An interpreter may have loaded the old file, so it is not overwritten.
            new = Path(self.root, place).with_suffix(".new")
            shutil.copyfile(built, new)
            new.replace(Path(self.root, place))
            return
        platform_tag = self.build_config.builder.get_best_matching_tag().rpartition("-")[2]
        build_data["pure_python"] = False
        build_data["tag"] = f"{OLDEST}-abi3-{platform_tag}"
        build_data["force_include"][str(built)] = str(place)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove what the wheel has a copy of."""
        self._temporary.cleanup()


def extension(root: Path, folder: Path) -> Path | None:
    """Build the extension; `None` where that is not possible.

    Args:
        root: the sources.
        folder: where to build.
    """
    is_free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))  # has no stable interface
    if platform.python_implementation() != "CPython" or is_free_threaded:
        return None
    from setuptools import Distribution, Extension

    source = Extension(NAME, [str(root / SOURCE)], py_limited_api=True, optional=True)
    command: Any = Distribution({"name": "accelerator", "ext_modules": [source]}).get_command_obj("build_ext")
    command.build_lib, command.build_temp = str(folder / "built"), str(folder / "objects")
    command.ensure_finalized()
    try:
        command.run()
    except Exception as error:  # noqa: BLE001 - a broken compiler is none; setuptools survives only those that report
        print(f"{SOURCE}: {error}", file=sys.stderr)
    return next((folder / "built").rglob("_native.*"), None)
