"""Data that piles up and belongs to no generation: what a target does in each round, and what the cured one does."""

HOST = """\
import ctypes, collections, functools, itertools, mmap, random, weakref

spare, kept, names, seen = [], [], {}, set()
count = itertools.count(random.randrange(10**6, 10**9))
head = text = None
class Thing:
    made = []
    def __init__(self, older=None):
        self.older = older
class Namespace: pass
namespace = Namespace()
namespace.queue = collections.deque()
def factory(value):
    def closure(): return value
    return closure
@functools.lru_cache(maxsize=None)
def lookup(key): return 1
@functools.lru_cache(maxsize=None)
def loaded(key): return [key]
libc = ctypes.CDLL(None)
libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, *[ctypes.c_size_t] * 5]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
def mapped(): return libc.mmap(None, 2 << 20, 3, 0x22, 2**64 - 1, 0)
def reload():
    import importlib, sys
    del sys.modules["plugin"]
    importlib.import_module("plugin")
"""

TWINS = {
    # what each reload does; what the cured twin does; kind; path of the holder, or "" where no container has it
    "list": ("host.spare.append([])", "host.spare[:] = [[]]", "object-growth", "host.spare[*]"),
    "instance of the host's": ("host.kept.append(host.Thing())", "host.kept[:] = [host.Thing()]",
                               "object-growth", "host.kept[*]"),
    "class attribute": ("host.Thing.made.append(host.Thing())", "host.Thing.made[:] = [host.Thing()]",
                        "object-growth", "host.Thing.made[*]"),
    "closure of the host's": ("host.kept.append(host.factory(1))", "host.kept[:] = [host.factory(1)]",
                              "object-growth", "host.kept[*]"),
    "record": ("host.kept.append({'loaded': [next(host.count)]})", "host.kept[:] = [{'loaded': [next(host.count)]}]",
               "object-growth", "host.kept[*]"),
    "text": ("host.kept.append(f'{next(host.count):20000}')", "host.kept[:] = [f'{next(host.count):20000}']",
             "memory-growth", "host.kept[*]"),
    "name": ("host.names[next(host.count)] = 'loaded'", "host.names['plugin'] = 'loaded'",
             "memory-growth", "host.names[*]"),
    "set": ("host.seen.add(next(host.count))", "host.seen.add(1)", "memory-growth", "host.seen[*]"),
    "deque": ("host.namespace.queue.append([])", "host.namespace.queue.append(host.namespace.queue.clear())",
              "object-growth", "host.namespace.queue[*]"),
    "dead reference": ("def f(): pass\nhost.kept.append(host.weakref.ref(f))",
                       "def f(): pass\nhost.kept[:] = [host.weakref.ref(f)]", "object-growth", "host.kept[*]"),
    "global": ("setattr(host, f'p{next(host.count)}', 1)", "setattr(host, 'p', next(host.count))",
               "memory-growth", "host.__dict__[*]"),
    "cache": ("host.lookup(f'{next(host.count)}')", "host.lookup('plugin')",
              "memory-growth", "host.lookup<cache entry>[*]"),
    "cache of lists": ("host.loaded(f'{next(host.count)}')", "host.loaded('plugin')",
                       "object-growth", "host.loaded<cache entry>[*]"),
    "mapping": ("import mmap\nhost.kept.append(mmap.mmap(-1, 2 << 20))",
                "import mmap\n[m.close() for m in host.kept]\nhost.kept[:] = [mmap.mmap(-1, 2 << 20)]",
                "memory-growth", "host.kept[*]"),
    "mapping of C code": ("host.mapped()", "host.libc.munmap(host.mapped(), 2 << 20)", "memory-growth", ""),
    "chain of tuples": ("host.head = (host.head, bytes(20_000))", "host.head = (None, bytes(20_000))",
                        "memory-growth", ""),
    "chain of texts": ("host.head = (host.head, f'{next(host.count):20000}')",
                       "host.head = (None, f'{next(host.count):20000}')",
                       "memory-growth", ""),
    "chain of short texts": (
        "for _ in range(1500): host.head = (host.head, f'{next(host.count):40}')",
        "for _ in range(1500): host.head = (None, f'{next(host.count):40}')",
        "memory-growth", ""),
    "chain of instances": ("host.head = host.Thing(host.head)", "host.head = host.Thing()", "object-growth", ""),
    "chain of closures": ("host.head = host.factory(host.head)", "host.head = host.factory(None)",
                          "object-growth", ""),
}  # fmt: skip
