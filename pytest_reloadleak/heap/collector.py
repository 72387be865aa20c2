"""Private copies of what is asked of the collector and the interpreter: a target may patch the originals."""

from __future__ import annotations

import gc as _gc
import sys as _sys

callbacks = _gc.callbacks
collect = _gc.collect
disable = _gc.disable
enable = _gc.enable
freeze = _gc.freeze
get_freeze_count = _gc.get_freeze_count
get_objects = _gc.get_objects
get_referents = _gc.get_referents
get_referrers = _gc.get_referrers
is_tracked = _gc.is_tracked
isenabled = _gc.isenabled

current_frames = _sys._current_frames
getframe = _sys._getframe
getrefcount = _sys.getrefcount
