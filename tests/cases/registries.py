"""What a target leaves in registries that can be listed: last lines of leaking targets and of cured ones."""

from collections.abc import Mapping
from dataclasses import dataclass

from cases.edges import PLUGIN, source

HOST = """\
import itertools

count = itertools.count()
last = []
"""
"""Numbers for names that are new each time, and room for what is undone by the next generation."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A registry with a target that leaves an entry in it per reload, and a cured one.

    Attributes:
        registry: the finding's `registry`, which is its root too.
        path: `holder.path`.
        type: `holder.type`.
        held: name of what of the target it belongs to; the target itself where the entry does not tell.
        leaking: last lines of the leaking target, whose first ones are `PLUGIN`.
        cured: likewise.
        host: further lines of the host.
    """

    name: str
    registry: str
    path: str
    type: str
    held: str = "plugin"
    leaking: str
    cured: str
    host: str = ""

    def files(self, twin: str) -> Mapping[str, str]:
        """Sources by module name."""
        lines = self.leaking if twin == "leaking" else self.cured
        return {"host": HOST + source(self.host), "plugin": PLUGIN + source(lines)}


FUNCTION = "plugin.on_event"
LAMBDA = "plugin.wrap.<locals>.<lambda>"
FINDER = """
    import sys
    class Finder:
        def find_spec(self, *args): pass
"""

IMPORT = (
    Case(
        name="sys.meta_path, replaced in the same place",
        registry="sys.meta_path",
        path="sys.meta_path[*]",
        type="plugin.Finder",
        held="plugin.Finder",
        leaking=FINDER + "    sys.meta_path.append(Finder())\n",
        cured=FINDER
        + """
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != __name__]
    sys.meta_path.append(Finder())
    """,
    ),
    Case(
        name="sys.path_hooks",
        registry="sys.path_hooks",
        path="sys.path_hooks[*]",
        type="function",
        held="plugin.hook",
        leaking="""
            import sys
            def hook(path): raise ImportError

            sys.path_hooks.append(hook)
        """,
        cured="""
            import sys
            def hook(path): raise ImportError

            sys.path_hooks.append(hook)
            host.last.append(hook)
            if host.last[1:]:
                sys.path_hooks.remove(host.last.pop(0))
        """,
    ),
    Case(
        name="sys.path with the same directory",
        registry="sys.path",
        path="sys.path[*]",
        type="str",
        leaking="""
            import sys
            sys.path.insert(0, '/nowhere')
        """,
        cured="""
            import sys
            if '/nowhere' not in sys.path:
                sys.path.insert(0, '/nowhere')
        """,
    ),
    Case(
        name="sys.path with another directory each time",
        registry="sys.path",
        path="sys.path[*]",
        type="str",
        leaking="""
            import sys
            sys.path.append(f'/nowhere/{next(host.count)}')
        """,
        cured="""
            import sys
            sys.path.append(f'/nowhere/{next(host.count)}')
            sys.path.pop()
        """,
    ),
    Case(
        name="sys.path_importer_cache",
        registry="sys.path_importer_cache",
        path="sys.path_importer_cache[*]",
        type="plugin.Finder",
        held="plugin.Finder",
        leaking=FINDER + "    sys.path_importer_cache[f'/nowhere/{next(host.count)}'] = Finder()\n",
        cured=FINDER + "    sys.path_importer_cache['/nowhere/0'] = Finder()\n",
    ),
    Case(
        name="sys.modules with an instance",
        registry="sys.modules",
        path="sys.modules['dynamic_*']",
        type="plugin.Plugin",
        held="plugin.Plugin",
        leaking="""
            import sys
            sys.modules[f'dynamic_{next(host.count)}'] = Plugin()
        """,
        cured="""
            import sys
            sys.modules['dynamic_0'] = Plugin()
        """,
    ),
    Case(
        name="sys.modules with a module that refers to the target",
        registry="sys.modules",
        path="sys.modules['dynamic_*']",
        type="module",
        held=FUNCTION,
        leaking="""
            import sys, types
            module = types.ModuleType(f'dynamic_{next(host.count)}')
            module.handler = on_event
            sys.modules[module.__name__] = module  # leak here
            del module
        """,
        cured="""
            import sys, types
            module = types.ModuleType('dynamic_0')
            module.handler = on_event
            sys.modules[module.__name__] = module
            del module
        """,
    ),
    Case(
        name="several names for one file",
        registry="sys.modules",
        path="sys.modules['copy_*']",
        type="module",
        host="""
            import importlib.util, sys

            def load(name):
                spec = importlib.util.spec_from_file_location(name, __file__)
                sys.modules[name] = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(sys.modules[name])
        """,
        leaking="host.load(f'copy_{next(host.count)}')",
        cured="host.load('copy_0')",
    ),
)

LOGGING = (
    Case(
        name="handler of an own class",
        registry="logging",
        path="logging.getLogger('app').handlers[*]",
        type="plugin.Handler",
        held="plugin.Handler",
        leaking="""
            import logging
            class Handler(logging.Handler):
                def emit(self, record): pass

            logging.getLogger('app').addHandler(Handler())
        """,
        cured="""
            import logging
            class Handler(logging.Handler):
                def emit(self, record): pass

            logging.getLogger('app').addHandler(Handler())
            host.last.append(logging.getLogger('app').handlers[-1])
            if host.last[1:]:
                logging.getLogger('app').removeHandler(host.last.pop(0))
        """,
    ),
    Case(
        name="handler of the library, on the root logger",
        registry="logging",
        path="logging.getLogger().handlers[*]",
        type="logging.StreamHandler",
        leaking="""
            import logging
            logging.getLogger().addHandler(logging.StreamHandler())
        """,
        cured="""
            import logging
            handler = logging.StreamHandler()
            logging.getLogger().addHandler(handler)
            logging.getLogger().removeHandler(handler)
        """,
    ),
    Case(
        name="handler of the library with an own filter",
        registry="logging",
        path="logging.getLogger('app').handlers[*]",
        type="logging.StreamHandler",
        held=FUNCTION,
        leaking="""
            import logging
            handler = logging.StreamHandler()
            handler.addFilter(on_event)
            logging.getLogger('app').addHandler(handler)
            del handler
        """,
        cured="""
            import logging
            handler = logging.StreamHandler()
            handler.addFilter(on_event)
            logging.getLogger('app').handlers[:] = [handler]
            del handler
        """,
    ),
    Case(
        name="filter of a logger",
        registry="logging",
        path="logging.getLogger('app').filters[*]",
        type="function",
        held=FUNCTION,
        leaking="""
            import logging
            logging.getLogger('app').addFilter(on_event)
        """,
        cured="""
            import logging
            logging.getLogger('app').filters[:] = [on_event]
        """,
    ),
    Case(
        name="filter of somebody's handler",
        registry="logging",
        path="logging.getLogger('app').handlers[*].filters[*]",
        type="function",
        held=FUNCTION,
        host="""
            import logging
            handler = logging.StreamHandler()
            logging.getLogger('app').addHandler(handler)
        """,
        leaking="host.handler.addFilter(on_event)",
        cured="host.handler.filters[:] = [on_event]",
    ),
    Case(
        name="names of loggers",
        registry="logging",
        path="logging.getLogger('app.request-*')",
        type="logging.Logger",
        leaking="""
            import logging
            logging.getLogger(f'app.request-{next(host.count)}')
        """,
        cured="""
            import logging
            logging.getLogger('app.request-0')
        """,
    ),
    Case(
        name="names of levels",
        registry="logging",
        path="logging.getLevelNamesMapping()['LEVEL-*']",
        type="int",
        leaking="""
            import logging
            logging.addLevelName(25, f'LEVEL-{next(host.count)}')
        """,
        cured="""
            import logging
            logging.addLevelName(25, 'LEVEL-0')
        """,
    ),
    Case(
        name="logger class that derives from the previous one",
        registry="logging",
        path="logging.setLoggerClass",
        type="class",
        held="plugin.Logger",
        leaking="""
            import logging
            class Logger(logging.getLoggerClass()):
                def more(self): pass

            logging.setLoggerClass(Logger)  # leak here
        """,
        cured="""
            import logging
            class Logger(logging.Logger):
                def more(self): pass

            logging.setLoggerClass(Logger)
        """,
    ),
    Case(
        name="record factory that calls the previous one",
        registry="logging",
        path="logging.setLogRecordFactory",
        type="function",
        held=LAMBDA,
        leaking="""
            import logging
            def wrap(previous):
                logging.setLogRecordFactory(lambda *a, **k: previous(*a, **k))  # leak here

            wrap(logging.getLogRecordFactory())
        """,
        cured="""
            import logging
            def wrap(original):
                logging.setLogRecordFactory(lambda *a, **k: original(*a, **k))

            wrap(logging.LogRecord)
        """,
    ),
)

LIBRARY = (
    Case(
        name="warnings.filters with an own class",
        registry="warnings",
        path="warnings.filters[*]",
        type="class",
        held="plugin.Own",
        leaking="""
            import warnings
            class Own(UserWarning): pass

            warnings.simplefilter('ignore', Own)
        """,
        cured="""
            import warnings
            class Own(UserWarning): pass

            with warnings.catch_warnings():
                warnings.simplefilter('ignore', Own)
        """,
    ),
    Case(
        name="warnings.filters with what is there already",
        registry="warnings",
        path="warnings.filters[*]",
        type="class",
        leaking="""
            import warnings
            warnings.filters.insert(0, ('ignore', None, UnicodeWarning, None, 0))
        """,
        cured="""
            import warnings
            warnings.simplefilter('ignore', UnicodeWarning)
        """,
    ),
    Case(
        name="warnings.onceregistry",
        registry="warnings",
        path="warnings.onceregistry[*]",
        type="class",
        held="plugin.Own",
        leaking="""
            import warnings
            class Own(UserWarning): pass

            warnings.onceregistry['said', Own] = 1
        """,
        cured="""
            import warnings
            class Own(UserWarning): pass

            warnings.onceregistry.clear()
            warnings.onceregistry['said', Own] = 1
        """,
    ),
    Case(
        name="copyreg.pickle",
        registry="copyreg",
        path="copyreg.dispatch_table[*]",
        type="function",
        held=FUNCTION,
        leaking="""
            import copyreg
            copyreg.pickle(Plain, on_event)
        """,
        cured="""
            import copyreg
            copyreg.pickle(Plain, on_event)
            host.last.append(Plain)
            if host.last[1:]:
                del copyreg.dispatch_table[host.last.pop(0)]
        """,
    ),
    Case(
        name="copyreg.add_extension",
        registry="copyreg",
        path="copyreg._extension_registry[*]",
        type="int",
        leaking="""
            import copyreg
            number = 1000 + next(host.count)
            copyreg.add_extension('plugin', f'Plain{number}', number)
        """,
        cured="""
            import copyreg
            copyreg.add_extension('plugin', 'Plain', 1000)
            copyreg.remove_extension('plugin', 'Plain', 1000)
        """,
    ),
    Case(
        name="table of copy",
        registry="copy",
        path="copy._deepcopy_dispatch[*]",
        type="function",
        held=FUNCTION,
        leaking="""
            import copy
            copy._deepcopy_dispatch[Plain] = on_event
        """,
        cured="""
            import copy
            copy._deepcopy_dispatch[Plain] = on_event
            host.last.append(Plain)
            if host.last[1:]:
                del copy._deepcopy_dispatch[host.last.pop(0)]
        """,
    ),
    Case(
        name="table of pickle",
        registry="pickle",
        path="pickle._Pickler.dispatch[*]",
        type="class",
        held="plugin.Plain",
        leaking="""
            import pickle
            pickle._Pickler.dispatch[Plain] = pickle._Pickler.save_reduce
        """,
        cured="""
            import pickle
            pickle._Pickler.dispatch[Plain] = pickle._Pickler.save_reduce
            del pickle._Pickler.dispatch[Plain]
        """,
    ),
    Case(
        name="sqlite3.register_adapter",
        registry="sqlite3",
        path="sqlite3.adapters[*]",
        type="function",
        held=FUNCTION,
        host="import sqlite3",
        leaking="""
            import sqlite3
            sqlite3.register_adapter(Plain, on_event)
        """,
        cured="""
            import sqlite3
            sqlite3.register_adapter(Plain, on_event)
            host.last.append((Plain, sqlite3.PrepareProtocol))
            if host.last[1:]:
                del sqlite3.adapters[host.last.pop(0)]
        """,
    ),
    Case(
        name="sqlite3.register_converter",
        registry="sqlite3",
        path="sqlite3.converters['KIND*']",
        type="function",
        held=FUNCTION,
        host="import sqlite3",
        leaking="""
            import sqlite3
            sqlite3.register_converter(f'kind{next(host.count)}', on_event)
        """,
        cured="""
            import sqlite3
            sqlite3.register_converter('kind0', on_event)
        """,
    ),
    Case(
        name="urllib.parse.uses_netloc",
        registry="urllib.parse",
        path="urllib.parse.uses_netloc[*]",
        type="str",
        leaking="""
            import urllib.parse
            urllib.parse.uses_netloc.append('kind')
        """,
        cured="""
            import urllib.parse
            if 'kind' not in urllib.parse.uses_netloc:
                urllib.parse.uses_netloc.append('kind')
        """,
    ),
    Case(
        name="urllib.parse.uses_params, with a text that another list has",
        registry="urllib.parse",
        path="urllib.parse.uses_params[*]",
        type="str",
        leaking="""
            import urllib.parse
            urllib.parse.uses_params.append('gopher')
        """,
        cured="""
            import urllib.parse
            for uses in (urllib.parse.uses_relative, urllib.parse.uses_netloc, urllib.parse.uses_params):
                if 'gopher' not in uses:
                    uses.append('gopher')
        """,
    ),
    Case(
        name="ElementTree.register_namespace",
        registry="xml.etree.ElementTree",
        path="xml.etree.ElementTree._namespace_map['http://kind/*']",
        type="str",
        leaking="""
            import xml.etree.ElementTree as tree
            number = len(tree._namespace_map)
            tree.register_namespace(f'kind{number}', f'http://kind/{number}')
        """,
        cured="""
            import xml.etree.ElementTree as tree
            tree.register_namespace('kind', 'http://kind/0')
        """,
    ),
    Case(
        name="an alias of an encoding",
        registry="encodings.aliases",
        path="encodings.aliases.aliases['kind*']",
        type="str",
        leaking="""
            from encodings.aliases import aliases
            aliases[f'kind{len(aliases)}'] = 'utf_8'
        """,
        cured="""
            from encodings.aliases import aliases
            aliases['kind'] = 'utf_8'
        """,
    ),
    Case(
        name="email.charset.add_alias",
        registry="email.charset",
        path="email.charset.ALIASES['kind*']",
        type="str",
        leaking="""
            from email import charset
            charset.add_alias(f'kind{len(charset.ALIASES)}', 'utf-8')
        """,
        cured="""
            from email import charset
            charset.add_alias('kind', 'utf-8')
        """,
    ),
    Case(
        name="doctest.register_optionflag",
        registry="doctest",
        path="doctest.OPTIONFLAGS_BY_NAME['KIND*']",
        type="int",
        leaking="""
            import doctest
            doctest.register_optionflag(f'KIND{len(doctest.OPTIONFLAGS_BY_NAME)}')
        """,
        cured="""
            import doctest
            doctest.register_optionflag('KIND')
        """,
    ),
    Case(
        name="csv.register_dialect",
        registry="csv",
        path="csv dialect['kind*']",
        type="_csv.Dialect",
        leaking="""
            import csv
            csv.register_dialect(f'kind{next(host.count)}', delimiter='|')
        """,
        cured="""
            import csv
            csv.register_dialect('kind', delimiter='|')
        """,
    ),
    Case(
        name="shutil.register_archive_format",
        registry="shutil",
        path="shutil._ARCHIVE_FORMATS['kind*']",
        type="function",
        held=FUNCTION,
        leaking="""
            import shutil
            shutil.register_archive_format(f'kind{next(host.count)}', on_event)
        """,
        cured="""
            import shutil
            shutil.register_archive_format('kind0', on_event)
        """,
    ),
    Case(
        name="mimetypes.add_type",
        registry="mimetypes",
        path="mimetypes.types_map['.kind*']",
        type="str",
        host="""
            import mimetypes
            mimetypes.guess_type('a.txt')
        """,
        leaking="""
            import mimetypes
            mimetypes.add_type('application/x-kind', f'.kind{next(host.count)}')
        """,
        cured="""
            import mimetypes
            mimetypes.add_type('application/x-kind', '.kind0')
        """,
    ),
    Case(
        name="locale.locale_alias",
        registry="locale",
        path="locale.locale_alias['kind*']",
        type="str",
        leaking="""
            import locale
            locale.locale_alias[f'kind{next(host.count)}'] = 'C'
        """,
        cured="""
            import locale
            locale.locale_alias['kind0'] = 'C'
        """,
    ),
    Case(
        name="patch of unittest.mock with an own function",
        registry="unittest.mock",
        path="unittest.mock.patch(..., 'loads')",
        type="unittest.mock.patch",
        held=FUNCTION,
        host="import unittest.mock",
        leaking="""
            from unittest import mock
            mock.patch('json.loads', on_event).start()
        """,
        cured="""
            from unittest import mock
            with mock.patch('json.loads', on_event):
                pass
        """,
    ),
    Case(
        name="patch of unittest.mock that the target has a name for",
        registry="unittest.mock",
        path="unittest.mock.patch(..., 'loads')",
        type="unittest.mock.patch",
        held=FUNCTION,
        host="import unittest.mock",
        leaking="""
            from unittest import mock
            patch = mock.patch('json.loads', on_event)
            patch.start()
        """,
        cured="""
            from unittest import mock
            patch = mock.patch('json.loads', on_event)
            patch.start()
            patch.stop()
        """,
    ),
    Case(
        name="patch of unittest.mock with a mock",
        registry="unittest.mock",
        path="unittest.mock.patch(..., 'loads')",
        type="unittest.mock.patch",
        host="import unittest.mock",
        leaking="""
            from unittest import mock
            mock.patch('json.loads').start()
        """,
        cured="""
            from unittest import mock
            patch = mock.patch('json.loads')
            patch.start()
            patch.stop()
        """,
    ),
    Case(
        name="functools.singledispatch with an own implementation",
        registry="functools.singledispatch",
        path="host.render.registry[*]",
        type="function",
        held=FUNCTION,
        host="""
            import functools
            @functools.singledispatch
            def render(o): pass
        """,
        leaking="""
            host.render.register(Plain, on_event)  # leak here
            host.render(Plain())
        """,
        cured="""
            import functools
            render = functools.singledispatch(host.render.dispatch(object))
            render.register(Plain, on_event)
            render(Plain())
        """,
    ),
    Case(
        name="argument of weakref.finalize",
        registry="weakref.finalize",
        path="weakref.finalize",
        type="function",
        held=FUNCTION,
        host="""
            class Anchor: pass
            anchor = Anchor()
        """,
        leaking="""
            import weakref
            weakref.finalize(host.anchor, id, on_event)
        """,
        cured="""
            import weakref
            finalizer = weakref.finalize(host.anchor, id, on_event)
            finalizer.detach()
        """,
    ),
)

PROCESS = (
    Case(
        name="os.environ",
        registry="os.environ",
        path="os.environ['KIND_*']",
        type="str",
        leaking="""
            import os
            os.environ[f'KIND_{next(host.count)}'] = '1'
        """,
        cured="""
            import os
            os.environ['KIND_0'] = str(next(host.count))
        """,
    ),
    Case(
        name="list in os.environ",
        registry="os.environ",
        path="os.environ['KIND_PATH'][*]",
        type="str",
        leaking="""
            import os
            os.environ['KIND_PATH'] = os.pathsep.join(['/nowhere', os.environ.get('KIND_PATH', '')])
        """,
        cured="""
            import os
            os.environ['KIND_PATH'] = os.pathsep.join(['/nowhere', f'/else/{next(host.count)}'])
        """,
    ),
    Case(
        name="context variable with a plain value",
        registry="contextvars",
        path="contextvars['own']",
        type="contextvars.ContextVar",
        leaking="""
            import contextvars
            contextvars.ContextVar('own').set(1)
        """,
        cured="""
            import contextvars
            variable = contextvars.ContextVar('own')
            variable.reset(variable.set(1))
        """,
    ),
    Case(
        name="default of a context variable that is set",
        registry="contextvars",
        path="contextvars['own']",
        type="contextvars.ContextVar",
        held=FUNCTION,
        leaking="""
            import contextvars
            contextvars.ContextVar('own', default=on_event).set(1)
        """,
        cured="""
            import contextvars
            variable = contextvars.ContextVar('own', default=on_event)
            variable.reset(variable.set(1))
        """,
    ),
    Case(
        name="decimal context that keeps the previous one",
        registry="decimal",
        path="decimal.setcontext",
        type="contextvars.ContextVar",
        held="plugin.Context",
        host="import decimal",
        leaking="""
            import decimal
            class Context(decimal.Context): pass

            context = Context()
            context.previous = decimal.getcontext()
            decimal.setcontext(context)
        """,
        cured="""
            import decimal
            class Context(decimal.Context): pass

            decimal.setcontext(Context())
        """,
    ),
    *(
        Case(
            name=name,
            registry=name,
            path=name,
            type="function",
            held=LAMBDA,
            leaking=f"""
                import sys, threading
                def wrap(previous):
                    {install.format("lambda *a: previous")}

                wrap({current})
            """,
            cured=f"""
                import sys, threading
                def wrap(previous):
                    {install.format("lambda *a: None")}

                wrap({current})
            """,
        )
        for name, install, current in (
            ("sys.settrace", "sys.settrace({})", "sys.gettrace()"),
            ("sys.setprofile", "sys.setprofile({})", "sys.getprofile()"),
            ("threading.settrace", "threading.settrace({})", "threading.gettrace()"),
            ("threading.setprofile", "threading.setprofile({})", "threading.getprofile()"),
            ("threading.excepthook", "threading.excepthook = {}", "threading.excepthook"),
        )
    ),
    Case(
        name="sys.set_asyncgen_hooks",
        registry="sys.set_asyncgen_hooks",
        path="sys.set_asyncgen_hooks(firstiter)",
        type="function",
        held=LAMBDA,
        leaking="""
            import sys
            def wrap(previous):
                sys.set_asyncgen_hooks(firstiter=lambda generator: previous)

            wrap(sys.get_asyncgen_hooks().firstiter)
        """,
        cured="""
            import sys
            def wrap(previous):
                sys.set_asyncgen_hooks(firstiter=lambda generator: None)

            wrap(sys.get_asyncgen_hooks().firstiter)
        """,
    ),
)

CASES = (*IMPORT, *LOGGING, *LIBRARY, *PROCESS)

INNOCENTS: Mapping[str, str] = {
    "logger by the module's name": """
        import logging
        logging.getLogger(__name__).debug('loaded')
        logging.getLogger(__name__).addFilter(on_event)
        logging.getLogger(__name__).removeFilter(on_event)
    """,
    "handler that belongs to no logger": """
        import logging
        handler = logging.StreamHandler()
    """,
    "abstract base class": """
        import abc, collections.abc
        class Base(abc.ABC):
            @abc.abstractmethod
            def work(self): pass

        Base.register(Plain)
        collections.abc.Sized.register(Plain)
        isinstance(Plain(), Base)
        isinstance(Plain(), collections.abc.Mapping)
    """,
    "threading.local": """
        import threading
        local = threading.local()
        local.plugin = Plugin()
    """,
    "context variable with a default": """
        import contextvars
        variable = contextvars.ContextVar('own', default=on_event)
        variable.get()
    """,
    "context variable that is set in a context of its own": """
        import contextvars
        variable = contextvars.ContextVar('own')
        contextvars.copy_context().run(variable.set, on_event)
    """,
    "own lru_cache": """
        import functools
        @functools.lru_cache
        def describe(o): pass

        describe(Plain)
        describe(on_event)
    """,
    "own singledispatch": """
        import functools
        @functools.singledispatch
        def render(o): pass

        render.register(Plain, on_event)
        render(Plain())
    """,
    "the same filter of warnings each time": """
        import warnings
        warnings.simplefilter('ignore', ResourceWarning)
        warnings.filterwarnings('ignore', message='nothing of the kind', category=UserWarning)
    """,
    "the same variable of the environment": """
        import os
        os.environ['KIND'] = str(next(host.count))
        os.environ.setdefault('KIND_ONCE', str(next(host.count)))
    """,
    "variable of the environment that comes and goes": """
        import os
        os.environ[f'KIND_{next(host.count)}'] = '1'
        del os.environ[f'KIND_{next(host.count) - 1}']
    """,
    "keyed overwrite": """
        import mimetypes, shutil, sys
        mimetypes.add_type('application/x-kind', '.kind')
        shutil.register_archive_format('kind', on_event)
        sys.modules['dynamic'] = Plugin()
    """,
    "single slots": """
        import logging, threading
        class Logger(logging.Logger):
            def more(self): pass

        logging.setLoggerClass(Logger)
        threading.excepthook = on_event
        threading.setprofile(on_event)
    """,
    "library that the first call imports": """
        import importlib
        importlib.import_module(['wave', 'chunk', 'colorsys', 'quopri', 'this'][0])
    """,
    "caches of the library": """
        import inspect, linecache, re
        linecache.getline(__file__, 1)
        inspect.getsource(on_event)
        re.compile(f'pattern {next(host.count)}')
    """,
    "finalizer of an own object": """
        import weakref
        plain = Plain()
        finalizer = weakref.finalize(plain, id, 1)
    """,
    "started and stopped patch": """
        from unittest import mock
        with mock.patch('json.loads'), mock.patch.dict('os.environ', {'KIND': '1'}):
            pass
    """,
}
"""Last lines of targets that leave nothing behind, by what is innocent about them."""
