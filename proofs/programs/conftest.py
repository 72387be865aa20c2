"""What the tests of several hosts share."""

from __future__ import annotations

import importlib
import sys

import pytest


@pytest.fixture
def plug(request, tmp_path, monkeypatch):
    """Write the test's `MODULE` as the module `plug`, beside a list that stays."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hub.py").write_text("listeners = []\n")

    def write(how):
        (tmp_path / "plug.py").write_text(request.module.MODULE.replace("{how}", how))
        importlib.invalidate_caches()

    yield write
    for name in ("plug", "hub"):
        sys.modules.pop(name, None)
