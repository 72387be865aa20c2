"""The line that made what a check found: in every way in which a line can make a reference or an effect."""

from __future__ import annotations

import importlib
import sys
import textwrap
from pathlib import Path
from textwrap import dedent

import pytest
from cases import run

from pytest_reloadleak import Report

HOST = """\
kept = []
table = {}

class Base:
    def __init_subclass__(cls):
        kept.append(cls)

class Meta(type):
    def __init__(cls, *args):
        kept.append(cls)

class Bus:
    subscribers = ()
    name = property(lambda self: "bus")
    hook = None
    def render(self): pass

bus = Bus()

def keep(o):
    kept.append(o)
"""


def marked(directory: Path, mark: str = "# leak here") -> list[tuple[str, int]]:
    """File name and number of each line that ends in a mark, in the order of the files' names."""
    return [
        (path.name, number)
        for path in sorted(directory.glob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if line.endswith(mark)
    ]


def measured(directory: Path, plugin: str, host: str = HOST, strategy: str = "reimport") -> Report:
    """The report of a target that comes with a host."""
    run.write(directory, {"host": dedent(host), "plugin": dedent(plugin)})
    return run.measure_and_undo(directory, "plugin", strategy, 3)


def lines(report: Report) -> list[tuple[str, int]]:
    """The sites of a report's only finding."""
    (finding,) = report.findings
    assert finding.site == finding.sites[0]
    return [(Path(site.file).name, site.line) for site in finding.sites]


WAYS = {
    "a call of a method in C": """
        import host
        def on_event(): pass
        host.kept.append(on_event)  # leak here
        done = True
        """,
    "a call over several lines": """
        import host
        def on_event(): pass
        host.keep(  # leak here
            on_event,
        )
        done = True
        """,
    "a callback of a future": """
        import asyncio, host
        def on_event(*args): pass
        loop = asyncio.new_event_loop()
        future = loop.create_future()
        loop.close()
        future.add_done_callback(on_event)  # leak here
        host.kept.append(future)
        """,
    "a decorator": """
        import host
        def event(function):
            host.kept.append(function)  # leak here
            return function
        @event
        def on_event(): pass
        """,
    "a function that returns before it is kept": """
        import host
        def made():
            def on_event(): pass
            return on_event
        host.kept += [made()]  # leak here
        """,
    "an attribute that is set by name": """
        import host
        def on_event(): pass
        setattr(host, f"on_{len(vars(host))}", on_event)  # leak here
        """,
    "a tuple that is replaced": """
        import host
        def on_event(): pass
        host.kept = (*host.kept, on_event)  # leak here
        """,
    "a tuple in an attribute of an instance": """
        import host
        def on_event(): pass
        host.bus.subscribers += (on_event,)  # leak here
        """,
    "an exception on the way": """
        import host
        def on_event(): pass
        def fail():
            host.keep(on_event)  # leak here
            raise KeyError
        try:
            fail()
        except KeyError:
            pass
        """,
    "a generator": """
        import host
        def on_event(): pass
        def each():
            yield 1
            host.keep(on_event)  # leak here
            yield 2
        list(each())
        """,
    "a finalizer": """
        import host
        def on_event(): pass
        class Thing:
            def __del__(self):
                host.keep(on_event)  # leak here
        thing = Thing()
        del thing
        """,
    "another thread": """
        import threading, host
        def on_event(): pass
        def work():
            host.keep(on_event)  # leak here
            done = True
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        del thread
        """,
    "a coroutine": """
        import asyncio, host
        def on_event(): pass
        async def start():
            await asyncio.sleep(0)
            host.keep(on_event)  # leak here
            await asyncio.sleep(0)
        async def main():
            await asyncio.gather(start(), asyncio.sleep(0))
        asyncio.run(main())
        """,
    "a dispose hook": """
        import host
        def on_event(): pass
        def __reload_dispose__(data):
            host.keep(on_event)  # leak here
        """,
    "two lines": """
        import host
        def on_event(): pass
        host.keep(on_event)  # leak here
        def start():
            host.keep(on_event)  # leak here
        start()
        """,
    "an item among others of the same list": """
        import host
        def on_event(): pass
        host.kept.append(len(host.kept))
        host.keep(on_event)  # leak here
        host.kept.append(str(len(host.kept)))
        """,
    "a descriptor among others that are closed": """
        import os
        other = os.open(__file__, os.O_RDONLY)
        kept = os.open(__file__, os.O_RDONLY)  # leak here
        os.close(other)
        """,
    "a child class": """
        import host
        class Plugin(host.Base):  # leak here
            name = "plugin"
            def on_event(self): pass
        done = True
        """,
    "a class by a metaclass": """
        import host
        class Plugin(metaclass=host.Meta):  # leak here
            name = "plugin"
        done = True
        """,
    "an update of a dict": """
        import host
        def on_event(): pass
        host.table.update({len(host.table): on_event})  # leak here
        """,
    "a loop": """
        import host
        def on_event(): pass
        total = 0
        for number in range(3000):
            total += number
            if number == 2000:
                total -= 1
        host.keep(on_event)  # leak here
        """,
}


@pytest.mark.parametrize("strategy", ["reimport", "reload"])
@pytest.mark.parametrize("way", WAYS)
def test_the_line_is_named(way, strategy, tmp_path):
    """Whatever a line does to make a reference, and wherever it runs, the finding names it."""
    report = measured(tmp_path, WAYS[way], strategy=strategy)

    assert report.outcome == "leaking"
    assert lines(report) == [line for line in marked(tmp_path) if line[0] == "plugin.py"]


PATCHES = {
    "a method, with the original in a global": """
        import host
        original = host.Bus.render
        def render(self): return original(self)
        host.Bus.render = render  # leak here
        """,
    "a method, with the original in a default": """
        import host
        def render(self, original=host.Bus.render): return original(self)
        host.Bus.render = render  # leak here
        """,
    "a function, with the original in a global": """
        import host
        original = host.keep
        def keep(o): return original(o)
        host.keep = keep  # leak here
        """,
    "a property, with the original in a global": """
        import host
        original = host.Bus.name
        def name(self): return original.fget(self)
        host.Bus.name = property(name)  # leak here
        """,
    "a name with underscores": """
        import sys
        original = sys.__unraisablehook__
        def hook(told): original(told)
        sys.__unraisablehook__ = hook  # leak here
        """,
    "a hook of the interpreter": """
        import sys
        original = sys.unraisablehook
        def hook(told): original(told)
        sys.unraisablehook = hook  # leak here
        """,
    "a function of a library, by name": """
        import textwrap
        original = textwrap.dedent
        def dedent(text): return original(text)
        setattr(textwrap, "dedent", dedent)  # leak here
        """,
}


@pytest.mark.parametrize("patch", PATCHES)
def test_the_line_of_a_patch_is_named(patch, tmp_path, monkeypatch):
    """The wrapper may find what it wraps in a global of the target: then a path to it leads through the target."""
    monkeypatch.setattr(textwrap, "dedent", textwrap.dedent)  # to be put back
    monkeypatch.setattr(sys, "__unraisablehook__", sys.__unraisablehook__)
    report = measured(tmp_path, PATCHES[patch])

    assert (report.outcome, report.findings[0].kind) == ("leaking", "patched-global")
    assert lines(report) == marked(tmp_path)


def test_the_line_of_a_chain_through_the_target_is_named(tmp_path):
    """The target's own name leads to the older wrappers, but the newest is in the slot of an instance of the host."""
    plugin = """
        import host
        previous = host.bus.hook
        def hook(): return previous and previous()
        host.bus.hook = hook  # leak here
        """
    report = measured(tmp_path, plugin)

    assert report.outcome == "leaking"
    assert lines(report) == marked(tmp_path)


ONCE = """
    import collections
    import plugin
    class Base:
        option = None
        def __init__(self, option=None):
            self.option = option
            setattr(self, "option", option)
    class Field(Base):
        option = plugin.Option()  # Field.option
        several = [plugin.on_event]  # Field.several[*]
        table = {"a": len, "b": plugin.Option}  # Field.table['b']
    default = plugin.Option()  # default
    named = dict(key=plugin.on_event)  # named['key']
    empty = collections.ChainMap({})
    def fill():
        empty["event"] = plugin.on_event
    fill()
    """


def test_the_line_of_a_binding_made_once_is_its_own(tmp_path, monkeypatch):
    """Neither an instance's attribute of the same name nor the line that made an empty container bound the object."""
    plugin = """
        def on_event(): pass
        class Option:
            def on_event(self): pass
        """
    monkeypatch.chdir(tmp_path)  # the importer is first-party
    run.write(tmp_path, {"importer": dedent(ONCE), "plugin": dedent(plugin)})
    with run.importable(tmp_path):
        importlib.import_module("importer")
        report = run.measure(tmp_path, "plugin", "reimport", 2)
    found = {
        finding.holder.path.partition("importer.")[2]: [
            site.code.partition("# ")[2] for site in finding.sites
        ]
        for finding in report.findings
        if finding.held.name != "plugin"
    }
    assert found.pop("empty.maps[*]['event']") == []
    assert found == {
        path: [path]
        for path in ("Field.option", "Field.several[*]", "Field.table['b']", "default", "named['key']")
    }
