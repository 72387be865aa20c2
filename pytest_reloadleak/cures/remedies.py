"""List, as data, what undoes an entry of each registry of the standard library, and where that is documented."""

from __future__ import annotations

import re
from typing import NamedTuple


class Remedy(NamedTuple):
    """How an entry of one registry is undone.

    In the lines, `@` is the registry as it is spelled, `NAME` the target's object and `ENTRY` the registered one
    where they have a name, `TYPE` the type of the registered one and `VALUE` itself if it is a type, `MADE` a list that
    has it, `TEST(x)` a condition that recognises the target's object, `KEY` and `KEYS` the entry's key and the pattern
    of several, `TEXT` the entry if it is a text, `PART` a part of a text that is a list, `SLOT` the slot that the
    recorded call filled.
    """

    registry: str
    path: str
    """A regular expression for the finding's path. Its group is the registry as it is spelled, if the path has it."""
    imports: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    """Alternatives, the best first; the first one whose words are known is used."""
    link: str
    """Where the undoing call is documented."""


_LIBRARY = "https://docs.python.org/3/library"


def _list(registry: str, page: str) -> Remedy:
    return Remedy(
        registry,
        r"([\w.]+)\[\*\]$",
        (registry.partition(".")[0],),
        (("@.remove(NAME)",), ("@[:] = [item for item in @ if not (TEST(item))]",)),
        f"{_LIBRARY}/{page}",
    )


def _slot(registry: str, page: str, line: str) -> Remedy:
    return Remedy(
        registry, re.escape(registry), (registry.partition(".")[0],), ((line,),), f"{_LIBRARY}/{page}"
    )


def _keyed(registry: str, path: str, page: str, condition: str = "NAME in (key, item)") -> Remedy:
    by_name = (f"for key in [key for key, item in {path}.items() if {condition}]:", f"    del {path}[key]")
    by_test = (
        f"for key in [key for key, item in {path}.items() if TEST(key) or TEST(item)]:",
        f"    del {path}[key]",
    )
    by_key = (f"for key in fnmatch.filter(list({path}), KEYS):", f"    del {path}[key]")
    return Remedy(
        registry,
        re.escape(path),
        (registry.partition(".")[0],),
        (by_name, by_test, by_key),
        f"{_LIBRARY}/{page}",
    )


def _matching(registry: str, path: str, undo: str, page: str) -> Remedy:
    lines = (f"for key in fnmatch.filter(list({registry}), KEYS):", f"    {undo}")
    return Remedy(registry, path, (registry.partition(".")[0],), (lines,), f"{_LIBRARY}/{page}")


REMEDIES = (
    # -- watched calls
    Remedy(
        "atexit",
        r"atexit ",
        ("atexit",),
        (("atexit.unregister(ENTRY)",), ("for item in MADE:", "    atexit.unregister(item)")),
        f"{_LIBRARY}/atexit.html#atexit.unregister",
    ),
    Remedy(
        "codecs",
        r"codecs ",
        ("codecs",),
        (("codecs.unregister(ENTRY)",), ("for item in MADE:", "    codecs.unregister(item)")),
        f"{_LIBRARY}/codecs.html#codecs.unregister",
    ),
    Remedy(
        "faulthandler",
        r"faulthandler ",
        ("faulthandler",),
        (("faulthandler.unregister(SLOT)",),),
        f"{_LIBRARY}/faulthandler.html#faulthandler.unregister",
    ),
    Remedy(
        "sys.monitoring",
        r"sys\.monitoring ",
        ("sys",),
        (("sys.monitoring.register_callback(SLOT, None)",),),
        f"{_LIBRARY}/sys.monitoring.html",
    ),
    # -- lists
    _list("sys.meta_path", "sys.html#sys.meta_path"),
    _list("sys.path_hooks", "sys.html#sys.path_hooks"),
    _list("gc.callbacks", "gc.html#gc.callbacks"),
    Remedy(
        "sys.path",
        r"(sys\.path)\[\*\]$",
        ("sys",),
        (("@.remove(TEXT)",), ("for item in fnmatch.filter(@, KEYS):", "    @.remove(item)")),
        f"{_LIBRARY}/sys.html#sys.path",
    ),
    Remedy(
        "warnings",
        r"(warnings\.filters)\[\*\]$",
        ("warnings",),
        (
            ("@[:] = [item for item in @ if NAME not in item]",),
            ("@.remove(next(item for item in @ if VALUE in item))",),
        ),
        f"{_LIBRARY}/warnings.html#the-warnings-filter",
    ),
    Remedy(
        "warnings",
        r"(warnings\.onceregistry)",
        ("warnings",),
        (("for key in [key for key in @ if NAME in key]:", "    del @[key]"),),
        f"{_LIBRARY}/warnings.html",
    ),
    # -- logging
    Remedy(
        "logging",
        r"(logging\.getLogger\([^*]*?\))\.handlers\[\*\]$",
        ("logging",),
        (
            ("@.removeHandler(NAME)",),
            ("for item in [item for item in @.handlers if TEST(item)]:", "    @.removeHandler(item)"),
            ("@.removeHandler([item for item in @.handlers if type(item) is TYPE][-1])",),
        ),
        f"{_LIBRARY}/logging.html#logging.Logger.removeHandler",
    ),
    Remedy(
        "logging",
        r"logging\.getLogger\([^)]*\*[^)]*\)\.handlers\[\*\]$",
        ("logging",),
        (
            (
                "for item in map(logging.getLogger, list(logging.root.manager.loggerDict)):",
                "    item.removeHandler(NAME)",
            ),
        ),
        f"{_LIBRARY}/logging.html#logging.Logger.removeHandler",
    ),
    Remedy(
        "logging",
        r"(logging\.getLogger\([^*]*?\))\.filters\[\*\]$",
        ("logging",),
        (
            ("@.removeFilter(NAME)",),
            ("for item in [item for item in @.filters if TEST(item)]:", "    @.removeFilter(item)"),
        ),
        f"{_LIBRARY}/logging.html#logging.Logger.removeFilter",
    ),
    Remedy(
        "logging",
        r"(logging\.getLogger\([^*]*?\)\.handlers)\[\*\]\.filters\[\*\]$",
        ("logging",),
        (
            ("for handler in @:", "    handler.removeFilter(NAME)"),
            (
                "for handler in @:",
                "    handler.filters[:] = [item for item in handler.filters if not (TEST(item))]",
            ),
        ),
        f"{_LIBRARY}/logging.html#logging.Handler.removeFilter",
    ),
    Remedy(
        "logging",
        r"logging\.getLevelNamesMapping\(\)",
        ("logging", "fnmatch"),
        (
            (
                "for key in fnmatch.filter(list(logging._nameToLevel), KEYS):",
                "    del logging._nameToLevel[key]",
            ),
        ),
        f"{_LIBRARY}/logging.html#logging.addLevelName",
    ),
    Remedy(
        "logging",
        r"logging\.setLoggerClass$",
        ("logging",),
        (("logging.setLoggerClass(logging.Logger)",),),
        f"{_LIBRARY}/logging.html#logging.setLoggerClass",
    ),
    Remedy(
        "logging",
        r"logging\.setLogRecordFactory$",
        ("logging",),
        (("logging.setLogRecordFactory(logging.LogRecord)",),),
        f"{_LIBRARY}/logging.html#logging.setLogRecordFactory",
    ),
    # -- tables
    _keyed("copyreg", "copyreg.dispatch_table", "copyreg.html"),
    _keyed("copy", "copy._copy_dispatch", "copy.html"),
    _keyed("copy", "copy._deepcopy_dispatch", "copy.html"),
    _keyed("pickle", "pickle._Pickler.dispatch", "pickle.html"),
    _keyed("pickle", "pickle._Unpickler.dispatch", "pickle.html"),
    _keyed("sqlite3", "sqlite3.adapters", "sqlite3.html#sqlite3.register_adapter", "NAME in (*key, item)"),
    _keyed("sqlite3", "sqlite3.converters", "sqlite3.html#sqlite3.register_converter"),
    _keyed("mimetypes", "mimetypes.types_map", "mimetypes.html#mimetypes.types_map"),
    _keyed("locale", "locale.locale_alias", "locale.html"),
    _keyed("sys.path_importer_cache", "sys.path_importer_cache", "sys.html#sys.path_importer_cache"),
    Remedy(
        "copyreg",
        r"copyreg\._extension_registry",
        ("copyreg",),
        (
            (
                "for (module, name), code in list(copyreg._extension_registry.items()):",
                "    if module == __name__: copyreg.remove_extension(module, name, code)",
            ),
        ),
        f"{_LIBRARY}/copyreg.html",
    ),
    *(
        Remedy(
            "shutil",
            rf"shutil\.{table}",
            ("shutil",),
            (
                (
                    f"for key in [key for key, item in shutil.{table}.items() if NAME in item]:",
                    f"    shutil.{undo}(key)",
                ),
                (f"for key in fnmatch.filter(list(shutil.{table}), KEYS):", f"    shutil.{undo}(key)"),
            ),
            f"{_LIBRARY}/shutil.html#shutil.{undo}",
        )
        for table, undo in (
            ("_ARCHIVE_FORMATS", "unregister_archive_format"),
            ("_UNPACK_FORMATS", "unregister_unpack_format"),
        )
    ),
    _matching("sys.modules", r"sys\.modules\['.*\*.*'\]$", "del sys.modules[key]", "sys.html#sys.modules"),
    Remedy(
        "sys.modules",
        r"sys\.modules\[\*\]$",
        ("sys",),
        (("sys.modules.pop(__name__, None)",),),
        f"{_LIBRARY}/sys.html#sys.modules",
    ),
    _matching("os.environ", r"os\.environ\['[^']*\*[^']*'\]$", "del os.environ[key]", "os.html#os.environ"),
    Remedy(
        "os.environ",
        r"(os\.environ\['[^'*]*'\])\[\*\]$",
        ("os",),
        (("@ = os.pathsep.join(item for item in @.split(os.pathsep) if item != PART)",),),
        f"{_LIBRARY}/os.html#os.environ",
    ),
    # -- single slots
    _slot("sys.settrace", "sys.html#sys.settrace", "sys.settrace(None)"),
    _slot("sys.setprofile", "sys.html#sys.setprofile", "sys.setprofile(None)"),
    _slot("threading.settrace", "threading.html#threading.settrace", "threading.settrace(None)"),
    _slot("threading.setprofile", "threading.html#threading.setprofile", "threading.setprofile(None)"),
    _slot(
        "threading.excepthook",
        "threading.html#threading.__excepthook__",
        "threading.excepthook = threading.__excepthook__",
    ),
    Remedy(
        "sys.set_asyncgen_hooks",
        r"sys\.set_asyncgen_hooks\((\w+)\)",
        ("sys",),
        (("sys.set_asyncgen_hooks(@=None)",),),
        f"{_LIBRARY}/sys.html#sys.set_asyncgen_hooks",
    ),
    Remedy(
        "signal",
        r"(signal\.SIGINT)$",
        ("signal",),
        (("signal.signal(@, signal.default_int_handler)",),),
        f"{_LIBRARY}/signal.html#signal.default_int_handler",
    ),
    Remedy(
        "signal",
        r"(signal\.SIG\w+)$",
        ("signal",),
        (("signal.signal(@, signal.SIG_DFL)",),),
        f"{_LIBRARY}/signal.html#signal.signal",
    ),
    Remedy(
        "decimal",
        r"decimal\.setcontext",
        ("decimal",),
        (("decimal.setcontext(decimal.Context())",),),
        f"{_LIBRARY}/decimal.html#decimal.setcontext",
    ),
    Remedy(
        "csv",
        r"csv dialect",
        ("csv",),
        (
            ("csv.unregister_dialect(KEY)",),
            ("for key in fnmatch.filter(csv.list_dialects(), KEYS):", "    csv.unregister_dialect(key)"),
        ),
        f"{_LIBRARY}/csv.html#csv.unregister_dialect",
    ),
    # -- objects that undo themselves
    Remedy(
        "weakref.finalize",
        r"weakref\.finalize$",
        ("weakref",),
        (
            (
                "for item in list(weakref.finalize._registry):",
                "    if any(TEST(part) for part in (*item.peek()[1:2], *item.peek()[2], *item.peek()[3].values())):",
                "        item.detach()",
            ),
        ),
        f"{_LIBRARY}/weakref.html#weakref.finalize.detach",
    ),
    Remedy(
        "unittest.mock",
        r"unittest\.mock\.patch",
        ("unittest.mock",),
        (
            ("ENTRY.stop()",),
            (
                "for item in [item for item in unittest.mock._patch._active_patches if hasattr(item, 'new')]:",
                "    if TEST(item.new): item.stop()",
            ),
            (
                "for item in [item for item in unittest.mock._patch._active_patches if hasattr(item, 'new')]:",
                "    if item.attribute == KEY: item.stop()",
            ),
        ),
        f"{_LIBRARY}/unittest.mock.html#patch-methods-start-and-stop",
    ),
    Remedy(
        "functools.singledispatch",
        r"([\w.]+)\.registry\[\*\]$",
        ("gc",),
        (
            (
                "for key in [key for key, item in @.registry.items() if NAME in (key, item)]:",
                "    gc.get_referents(@.registry)[0].pop(key)",
                "@._clear_cache()",
            ),
        ),
        f"{_LIBRARY}/functools.html#functools.singledispatch",
    ),
)
