"""Record why the modules that the sweeps found leak, as data for the tables in the docs.

A growing leak needs its own entry, written after reading the code. A bounded one is nearly always a name that another
module bound once; the shape of the holder's path says which kind of name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Cause:
    """Why some modules leak."""

    modules: tuple[str, ...]
    """Names of modules, or globs."""
    holder: str
    """A glob of the holder's path; brackets match themselves."""
    why: str


_FORK = "`os.register_at_fork` runs at import, and a fork hook cannot be removed"
_NULL_HANDLER = (
    "`getLogger(...).addHandler(NullHandler())` runs at import, and the logger keeps each handler: "
    "small, but every record passes one more handler after each reload"
)
_FILTER = "`warnings.simplefilter` runs at import with the module's own category: each generation's class adds a filter"
_ATTRS = (
    "attrs gives generated methods a copy of the module's namespace as globals; under `reload` this copy still has the "
    "old class, whose methods have the one before"
)

CAUSES: tuple[Cause, ...] = (
    # -- the standard library
    Cause(
        ("ctypes",),
        "native*",
        "a function type keeps its `argtypes` and `restype` in C, where the collector cannot see them; one of them is "
        "`py_object`, which has a Python method, so the cycle is never freed",
    ),
    Cause(
        ("ctypes.wintypes",),
        "_ctypes._pointer_type_cache*",
        "`POINTER(Structure)` caches each pointer type by its structure for ever: only `_reset_cache` empties it",
    ),
    Cause(
        ("idlelib.pyshell",),
        "linecache.checkcache",
        "it replaces `linecache.checkcache` by its own function, which keeps the previous one as a default: each "
        "generation calls the one before",
    ),
    Cause(
        ("_pyrepl.readline",),
        "fd *",
        "`_wrapper = _ReadlineWrapper()` runs at import and duplicates standard input and output, `os.dup(0)` and "
        "`os.dup(1)`: each generation adds two descriptors, which are never closed",
    ),
    Cause(("random",), "fork *", f"{_FORK}: `after_in_child=_inst.seed` keeps the generator and its class"),
    Cause(
        ("rlcompleter",),
        "atexit *",
        "`atexit.register(lambda: readline.set_completer(None))` runs at import, and a lambda cannot be unregistered",
    ),
    Cause(
        ("tkinter.tix",),
        "tkinter.Widget.__bases__*",
        "`tkinter.Widget.__bases__ += (Form,)` runs at import: each generation's `Form` adds a base class",
    ),
    # -- packages, by what they do
    Cause(
        ("lark", "lark.utils"),
        "logging.getLogger(*",
        "`logger.addHandler(StreamHandler())` runs at import: each generation prints each record once more",
    ),
    Cause(("*",), "logging.getLogger(*.handlers[*]", _NULL_HANDLER),
    Cause(
        ("requests*", "ruamel.yaml*", "urllib3*", "botocore*", "bs4*", "pkg_resources"),
        "warnings.filters[*]",
        _FILTER,
    ),
    Cause(
        ("filelock*", "loguru*", "trio*", "importlib_metadata", "celery*", "billiard*"),
        "fork *",
        _FORK,
    ),
    Cause(
        ("filelock*", "loguru*", "paramiko*", "tornado.platform.asyncio"),
        "atexit *",
        "`atexit.register` runs at import, and nothing unregisters it",
    ),
    Cause(
        ("bottle", "importlib_metadata", "pkg_resources*", "setuptools*", "tlz*"),
        "sys.meta_path[*]",
        "it appends a finder of its own class to `sys.meta_path` at import, and does not recognise the older finders",
    ),
    Cause(("idna.codec",), "codecs *", "`codecs.register` runs at import, and nothing unregisters it"),
    Cause(
        ("soupsieve*",),
        "copyreg.dispatch_table[*]",
        "`copyreg.pickle` registers each class of each generation, and `copyreg` has no way to remove one",
    ),
    Cause(
        ("billiard*",),
        "billiard.*ForkingPickler._extra_reducers*",
        "`ForkingPickler.register(Class, reducer)` runs at import and fills a dict by class, which gets each "
        "generation's class",
    ),
    Cause(
        ("billiard.resource_sharer", "kombu.pools"),
        "billiard.util._afterfork_registry*",
        "the entry should disappear with the instance, but its key has a function of the module, whose globals have "
        "the instance",
    ),
    Cause(
        ("celery*",),
        "native*",
        "`Proxy.__qualname__` is an instance of a subclass of `str` with methods; the collector does not look into a "
        "class's qualified name, so the cycle from it through the module's namespace is never freed",
    ),
    Cause(
        ("celery.bin.celery",),
        "click.exceptions.NoSuchOption.show",
        "it replaces `NoSuchOption.show` by a function that calls the previous one: each generation calls the one "
        "before",
    ),
    Cause(
        ("werkzeug.debug*",),
        "sys.displayhook",
        "it replaces `sys.displayhook` by a function that calls the previous one: each generation calls the one "
        "before",
    ),
    Cause(
        ("celery.app*",),
        "celery._state._on_app_finalizers[*]",
        "`@connect_on_app_finalize` adds each generation's functions to a set that is never emptied",
    ),
    Cause(
        ("jedi.plugins.registry",),
        "",
        "`plugin_manager.register` runs at import, and wraps once more what it wrapped before: each generation adds a "
        "layer to each call",
    ),
    Cause(
        ("prompt_toolkit.*",),
        "prompt_toolkit.filters.*_cache<key>*",
        "a filter remembers each filter with which `&` combined it, in a dict without a bound",
    ),
    Cause(
        ("pymysql*",),
        "pymysql.*Warning.__bases__*",
        "`class Warning(Warning, MySQLError)`: under `reload` the base is no longer the built-in class but the "
        "module's own class of the generation before",
    ),
    Cause(
        ("zope.interface",),
        "zope.interface._zope_interface_coptimizations*",
        "the C module keeps the dict of specifications of the first generation, and each generation enters its classes",
    ),
    Cause(
        ("sqlalchemy*",),
        "sqlalchemy.event.api._registrars[*",
        "each class of events is appended to a list for each of its events, and never removed",
    ),
    Cause(
        ("sqlalchemy*",),
        "sqlalchemy.log._logged_classes[*]",
        "`@log.class_logger` adds each generation's class to a set that is never emptied",
    ),
    Cause(
        ("sqlalchemy*",),
        "sqlalchemy.*.dispatch.*",
        "`@event.listens_for` runs at import, and nothing removes the listener",
    ),
    Cause(
        ("h11*",),
        "",
        "its sentinels are classes that are their own type (`v.__class__ = v`), a reference that the collector does "
        "not count: it empties each old one, but can never free it",
    ),
    Cause(
        ("jsonschema*", "referencing*"),
        "native*",
        "an `rpds.HashTrieMap` holds functions of the module; it is written in Rust and shows the collector nothing, "
        "so the cycle through the module's namespace is never freed",
    ),
    Cause(
        ("fastapi*",),
        "fastapi.openapi.models.*",
        "under `reload` the models' forward references are resolved while the name is still bound to the old class: "
        "each generation's fields have the one before",
    ),
    Cause(
        ("kombu",),
        "kombu.__class__.__getattr__*",
        "it replaces itself by a lazy module, which keeps the previous module as `old_module`",
    ),
    Cause(
        ("pyasn1.*",),
        "pyasn1.debug.LOGGEE_MAP<key>",
        "`debug.registerLoggee(__name__)` uses the module object as a key of a dict that is never emptied",
    ),
    Cause(
        ("sqlalchemy*",),
        "sqlalchemy.inspection._registrars*",
        "`@inspection._inspects(Class)` registers each generation's class in a dict by class",
    ),
    Cause(
        ("sqlalchemy*",),
        "weakref.finalize",
        "generated functions get a finalizer that clears `linecache`; both the functions and the finalizers are kept",
    ),
    Cause(
        ("typing_extensions",),
        "typing._cleanups[*]*",
        "`typing._tp_cache` appends the `cache_clear` of each function that it decorates to `typing._cleanups`, "
        "which is never emptied",
    ),
    Cause(
        ("attr", "attr.*", "cattrs*", "outcome*", "referencing*", "trio*", "twisted*", "jsonschema*"),
        "*.__globals__[*",
        _ATTRS,
    ),
)

_SHAPES: tuple[tuple[str, str], ...] = (
    (r"\.__bases__", "a class elsewhere is derived from the old one"),
    (r"\.__(kw)?defaults__", "a default value of a function elsewhere"),
    (r"\.__annotations__|\.__args__|\.__origin__|\.__parameters__", "an annotation elsewhere"),
    (r"\.__closure__|\.cell_contents", "a closure elsewhere"),
    (r"\.__class__$", "an object elsewhere is an instance of the old class"),
    (r"\[|<", "an entry of a container elsewhere"),
    (r"^[\w.*]+$", "a name or attribute elsewhere, bound once"),
)


def cause_of(module: str, kind: str, growth: str, path: str) -> str:
    """Why a finding is there; empty if no entry says why."""
    for cause in CAUSES:
        if any(fnmatchcase(module, pattern) for pattern in cause.modules) and fnmatchcase(
            path, _literal(cause.holder)
        ):
            return cause.why
    if growth == "growing":
        return ""
    if kind == "stale-reference" and re.fullmatch(r"[\w.*]+", path):
        return "a name or attribute elsewhere, bound once"
    return next((why for pattern, why in _SHAPES if re.search(pattern, path)), "")


def _literal(pattern: str) -> str:
    """A glob in which brackets stand for themselves."""
    return pattern.replace("[[]", "[").replace("[", "[[]")
