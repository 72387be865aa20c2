"""Name the references of C types that no attribute shows.

`map`, `itertools.chain`, `operator.itemgetter` or a `SimpleQueue` show what they hold to the collector only.
What each type of the standard library holds is data here, by the type's name, so nothing is called: an iterator asked
for its arguments (`__reduce__`) might be consumed or run code of the program. `tests/heap/test_c_references.py` fails
on a type of the standard library that is missing.
"""

from __future__ import annotations

import contextvars
import types
from collections.abc import Callable, Iterator
from typing import Any

from pytest_reloadleak.heap import collector as gc
from pytest_reloadleak.heap import foreign

_BY_SHAPE: dict[tuple[str, ...], str] = {
    ("<function>", "<iterable>", "<item>"): """
        _abc._abc_data _ctypes.CArgObject _ctypes.CFuncPtr _ctypes.CThunkObject
        _ctypes.DictRemover _ctypes.StructParam_Type _ctypes._CData _curses.window _curses_panel.panel
        _interpchannels.ChannelInfo _io._BytesIOBuffer _json.Encoder _json.Scanner _lsprof.Profiler
        _multibytecodec.MultibyteCodec _multibytecodec.MultibyteIncrementalDecoder
        _multibytecodec.MultibyteIncrementalEncoder _multibytecodec.MultibyteStreamReader
        _multibytecodec.MultibyteStreamWriter _pickle.Pdata _pickle.Pickler _pickle.PicklerMemoProxy _pickle.Unpickler
        _pickle.UnpicklerMemoProxy _sre.SRE_Scanner _sre.SRE_Template _ssl.MemoryBIO _ssl.SSLSession _ssl._SSLContext
        _ssl._SSLSocket _struct.Struct _struct.unpack_iterator _tkinter.tkapp _typing._ConstEvaluator
        InstructionSequence PyCapsule StgDict _buffer_wrapper lazy_import sentinel uop_executor
        collections._tuplegetter _collections._tuplegetter compression.zstd.ZstdCompressor
        compression.zstd.ZstdDecompressor compression.zstd.ZstdDict decimal.Context decimal.ContextManager
        decimal.SignalDictMixin functools.KeyWrapper functools.partial pickle.PickleBuffer pyexpat.xmlparser re.Match
        re.Pattern slice sqlite3.Blob sqlite3.Cache sqlite3.Connection sqlite3.Cursor sqlite3.PrepareProtocol
        sqlite3.Row sqlite3.Statement string.templatelib.Interpolation string.templatelib.Template super
        types.GenericAlias types.SimpleNamespace unicodedata.Segment unicodedata.UCD xml.etree.ElementTree.TreeBuilder
        xml.etree.ElementTree.XMLParser zlib.Compress zlib.Decompress zlib._ZlibDecompressor zoneinfo.ZoneInfo ast.AST
    """,
    ("<coroutine>", "<callback>"): "_asyncio.Future _asyncio.Task",
    ("<parameter>",): """
        types.UnionType typing.Union typing.Generic typing.ParamSpec typing.ParamSpecArgs typing.ParamSpecKwargs
        typing.TypeAliasType typing.TypeVar typing.TypeVarTuple
    """,
    ("<type>",): "_ctypes.CField ctypes.CField",
    ("<state>",): """
        _blake2.blake2b _blake2.blake2s _dbm.dbm _gdbm.gdbm _hashlib.HASH _hashlib.HASHXOF _hashlib.HMAC _hmac.HMAC
        _md5.md5 _multiprocessing.SemLock _sha1.sha1 _sha2.SHA224Type _sha2.SHA256Type _sha2.SHA384Type
        _sha2.SHA512Type _sha256.sha224 _sha256.sha256 _sha3.sha3_224 _sha3.sha3_256 _sha3.sha3_384 _sha3.sha3_512
        _sha3.shake_128 _sha3.shake_256 _sha512.sha384 _sha512.sha512 _socket.socket _thread.RLock _thread._ThreadHandle
        _thread.lock array.array decimal.Decimal functools._PlaceholderType mmap.mmap
        os.statx_result
    """,
    ("<stream>",): """
        _io.BufferedRWPair _io.BufferedRandom _io.BufferedReader _io.BufferedWriter _io.BytesIO _io.FileIO
        _io.IncrementalNewlineDecoder _io.StringIO _io.TextIOWrapper _io._IOBase
    """,
    ("<name>",): "property",
    (".__callback__",): "weakref.CallableProxyType weakref.ProxyType weakref.ReferenceType",
    (".__objclass__",): """
        classmethod_descriptor getset_descriptor member_descriptor method_descriptor wrapper_descriptor
    """,
}
"""Names of references, with the types that have them: a reference gets the first name whose shape fits its object."""

_IN_ORDER: dict[tuple[str, ...], str] = {
    ("<iterable>",): """
        _collections._deque_iterator _collections._deque_reverse_iterator _elementtree._element_iterator
        array.arrayiterator bytearray_iterator bytes_iterator collections._deque_iterator
        collections._deque_reverse_iterator dict_keyiterator dict_reversekeyiterator dict_reversevalueiterator
        dict_valueiterator generic_alias_iterator items iterator keys list_iterator list_reverseiterator
        memory_iterator reversed set_iterator str_ascii_iterator str_iterator string.templatelib.TemplateIter
        tuple_iterator unicodedata.GraphemeBreakIterator values itertools.batched itertools.chain itertools.compress
        itertools.cycle itertools.islice
    """,
    ("<iterable>", "<function>"): """
        filter itertools.dropwhile itertools.filterfalse itertools.starmap itertools.takewhile map
    """,
    ("<iterable>", "<item>"): """
        dict_itemiterator dict_reverseitemiterator enumerate itertools._grouper itertools._tee_dataobject
        itertools.combinations itertools.combinations_with_replacement itertools.pairwise itertools.permutations
        itertools.product itertools.zip_longest odict_iterator zip
    """,
    ("<iterable>", "<function>", "<item>"): "itertools.groupby",
    ("<function>", "<iterable>", "<item>"): "itertools.accumulate",
    ("<function>", "<item>"): "callable_iterator",
    ("<item>",): """
        async_generator_wrapped_value hamt hamt_array_node hamt_bitmap_node hamt_collision_node itertools._tee
        itertools.count itertools.repeat operator.attrgetter operator.itemgetter
    """,
    ("<name>", "<arguments>"): "operator.methodcaller",
    ("[*]",): "_queue.SimpleQueue",
    (".mapping",): "dict_items dict_keys dict_values odict_items odict_keys odict_values",
    (".obj",): "managedbuffer memoryview",
    (".dialect", "<iterable>", "<item>"): "_csv.reader",
    (".dialect", "<function>", "<item>"): "_csv.writer",
    ("<dialect>",): "_csv.Dialect",
    (".tag", ".text", ".tail", ".attrib", "[*]"): "xml.etree.ElementTree.Element",
    ("<generator>", "<item>"): "async_generator_asend async_generator_athrow",
    ("<awaitable>", "<item>"): "anext_awaitable",
    ("<coroutine>",): "coroutine_wrapper",
    ("<task>", "<item>"): "TaskStepMethWrapper _asyncio.TaskStepMethWrapper",
    ("<future>",): "_asyncio.FutureIter",
    ("<arguments>", "<arguments>", "<threads>"): "_thread._local",
    ("<previous>", "<variables>"): "_contextvars.Context",
    ("<name>", "<default>"): "_contextvars.ContextVar",
    ("<previous>", ".var", ".old_value"): "_contextvars.Token",
    ("<frame>",): "FrameLocalsProxy",
    (".__func__",): "instancemethod",
    (".__self__",): "builtin_method",
}
"""The same for types whose references have a fixed order; the last name applies to all further references."""

_TUPLES = frozenset({"map", "zip", "itertools.zip_longest", "itertools.product"})
"""Types that keep their iterables in a tuple."""
_ITERATORS = frozenset(
    {
        "_collections._deque_iterator",
        "collections._deque_iterator",
        "dict_itemiterator",
        "dict_keyiterator",
        "dict_valueiterator",
        "iterator",
        "list_iterator",
        "list_reverseiterator",
        "odict_iterator",
        "set_iterator",
        "tuple_iterator",
    }
)
"""Types of iterators over a container, which merely pass it on."""


def _by_type(table: dict[tuple[str, ...], str]) -> dict[str, tuple[str, ...]]:
    return {name: parts for parts, names in table.items() for name in names.split()}


_SHAPED, _ORDERED = _by_type(_BY_SHAPE), _by_type(_IN_ORDER)


def _has(o: object, name: str) -> bool:
    return foreign.defines(type(o), name)


def _are_arguments(o: Any) -> bool:
    return type(o) is tuple or (type(o) is dict and all(type(key) is str for key in dict.keys(o)))


_SHAPES: dict[str, Callable[[Any], bool]] = {
    "<function>": lambda o: _has(o, "__call__"),
    ".attrib": lambda o: type(o) is dict,
    "<arguments>": _are_arguments,
    "<coroutine>": lambda o: type(o) is types.CoroutineType,
    "<previous>": lambda o: type(o) is contextvars.Context,
}
"""The shape that an object must have to get a name, for names that not all objects of a type use."""
_UNORDERED_SHAPES: dict[str, Callable[[Any], bool]] = {
    **_SHAPES,
    "<iterable>": lambda o: _has(o, "__iter__") or _has(o, "__getitem__"),
}
"""The same for types without a fixed order, where only the shape distinguishes an iterable from an item."""


def is_known(cls: type) -> bool:
    """Whether this module names the references of a class, or of one of its bases."""
    return _known(cls) is not None


def _known(cls: type) -> str | None:
    names = map(foreign.class_name, foreign.mro(cls))
    return next((name for name in names if name in _SHAPED or name in _ORDERED), None)


def part(parent: object, child: object) -> str:
    """The name of a reference for which `parent`, a module, class or object of a C type, has no attribute."""
    if foreign.is_module(parent):
        return "<module state>"
    if foreign.is_class(parent):
        return "<class state>"
    name = _known(type(parent))
    if name in _SHAPED:
        return next(
            part for part in _SHAPED[name] if part == _SHAPED[name][-1] or _UNORDERED_SHAPES[part](child)
        )
    found = (
        next((part for part, o in _in_order(parent, _ORDERED[name]) if o is child), None) if name else None
    )
    return found or f"<in {foreign.type_name(parent)}>"


def _in_order(parent: object, parts: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    """Each reference of an object, with its name."""
    namespace = foreign.instance_dict(parent)
    at = 0
    for o in gc.get_referents(parent):
        # Types list their class first, last or not at all. `None` takes a position too, as an element's text does.
        if o is type(parent) or (o is not None and o is namespace):
            continue
        while at < len(parts) - 1 and parts[at] in _SHAPES and not _SHAPES[parts[at]](o):
            at += 1
        yield parts[at], o
        at = min(at + 1, len(parts) - 1)


def through(parent: Any, middle: Any, child: object, name: str) -> str | None:
    """The step from `parent` to `child` if `middle` is mere plumbing of a C type, else `None`.

    Args:
        parent: an object.
        middle: what it refers to.
        child: what that refers to.
        name: the step from `parent` to `middle`.
    """
    inner = foreign.type_name(middle)
    if name == "<iterable>":
        is_listed = type(middle) is tuple and foreign.type_name(parent) in _TUPLES and _shows(parent, middle)
        return name if is_listed or (inner in _ITERATORS and part(middle, child) == name) else None
    if name == "<variables>" and inner.startswith("hamt"):
        return _variable(parent, child)
    if name == "<threads>" and type(middle) is dict:
        return _thread_local(middle, child)
    if inner in {"itertools._tee_dataobject", "_ctypes.CThunkObject", "managedbuffer"}:
        return part(middle, child)
    if name == "[*]" and type(middle) is list and _known(type(parent)) == "_queue.SimpleQueue":
        return name if _shows(parent, middle) else None  # before 3.13 the items are in a list
    return None


def _shows(parent: object, child: object) -> bool:
    return any(o is child for o in gc.get_referents(parent))


def _variable(context: contextvars.Context, child: object) -> str:
    """The step from a context to a value or variable in it, past the nodes of its table. This runs no user code."""
    for variable, value in contextvars.Context.items(context):
        if value is child:
            return f"[{foreign.key_text(foreign.text(variable.name))}]"
        if variable is child:
            return "<key>"
    return "<variables>"


def _thread_local(namespace: dict[Any, Any], child: object) -> str:
    """The step from a `threading.local` to a value in a thread's dict, or to that dict in the dict of all threads."""
    for key, value in dict.items(namespace):
        if value is child and foreign.is_text(key):
            return f".{foreign.text(key)}"
    return "<threads>"


def fields(parent: Any, child: object) -> Iterator[str]:
    """Yield the name of a field of a tuple written in C, such as `bpy.app.handlers.load_post`."""
    members = foreign.class_dict(type(parent)) if type(parent) is not tuple else {}
    if issubclass(type(parent), tuple) and type(members.get("n_sequence_fields")) is int:
        for name, item in zip(members.get("__match_args__", ()), tuple.__iter__(parent), strict=False):
            if item is child:
                yield f".{foreign.text(name)}"
