"""One cause is one finding: numbers that differ, chains of any length, parts of one object; and every way to it."""

import sched

import pytest
from cases import run

HOWS = run.WAYS


ON = "def on(*args): pass\n"
CLASS = "class Thing: pass\n"


def growing(*paths, sole=True):
    """What `found` returns for holders that grow."""
    return sorted((("retained-generation", "growing", path, sole) for path in paths), key=str)


NUMBERS = {
    "an attribute": (
        f"{CLASS}hold_12 = Thing()\nhold_12.kept = Thing()\nn = [0]\n",
        "setattr(host.hold_12.kept, f'a{host.n[0]}', on); host.n[0] += 1",
        ["host.hold_12.kept.a*"],
    ),
    "a name on the way": (
        f"{CLASS}kept = Thing()\nn = [0]\n",
        "box = host.Thing(); box.f = on; setattr(host.kept, f'a{host.n[0]}', box); host.n[0] += 1; del box",
        ["host.kept.a*.f"],
    ),
    "a part of a name": (
        f"{CLASS}kept = Thing()\nn = [0]\n",
        "setattr(host.kept, f'v2_slot{host.n[0]}_x1', on); host.n[0] += 1",
        ["host.kept.v2_slot*_x1"],
    ),
    "a global": ("n = [0]\n", "setattr(host, f'kept{host.n[0]}', on); host.n[0] += 1", ["host.kept*"]),
    "two holders": (
        "kept_1, kept_2 = [], []\n",
        "host.kept_1.append(on); host.kept_2.append(on)",
        ["host.kept_1[*]", "host.kept_2[*]"],
    ),
    "one holder": ("kept_1, kept_2 = [], []\n", "host.kept_1.append(on)", ["host.kept_1[*]"]),
}


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("case", NUMBERS)
def test_only_the_number_that_differs_is_left_open(case, how, measured, found):
    """A number is a part of a name unless each generation has another one there."""
    host, line, paths = NUMBERS[case]

    report = measured({"host": host, "plugin": f"import host\n{ON}{line}\n"}, how=how)

    assert found(report) == growing(*paths, sole=len(paths) == 1)


NAMED = {
    "of the host": ("host", ["host.*"]),
    "of a class of the host": ("host.Thing", ["host.Thing.*"]),
    "of the library": ("sched", ["sched.*"]),
    "of a class of the library": ("sched.scheduler", ["sched.scheduler.*"]),
}


@pytest.fixture
def _names_of_the_library():
    """What targets add to the library in this process ends with the test."""
    before = [(space, set(vars(space))) for space in (sched, sched.scheduler)]
    yield
    for space, names in before:
        for name in set(vars(space)) - names:
            delattr(space, name)


@pytest.mark.usefixtures("_names_of_the_library")
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("case", NAMED)
@pytest.mark.parametrize("is_numbered", [True, False])
def test_names_that_each_generation_makes_up_are_one_holder(is_numbered, case, how, measured, found):
    """They grow, and are no patches: nothing was there before. Nothing need be alike in them."""
    place, paths = NAMED[case]
    host = f"{CLASS}names = iter([f'{{a}}{{b}}' for a in 'kxz' for b in 'aeiou'] * 2)\nn = [0]\n"
    name = "f'kept{host.n[0]}'" if is_numbered else "next(host.names)"
    files = {
        "host": host,
        "plugin": f"import sched, host\n{ON}host.n[0] += 1\nsetattr({place}, {name}, on)\n",
    }
    report = measured(files, how=how, rounds=3)

    assert found(report) == growing(*(path.replace("*", "kept*") if is_numbered else path for path in paths))


def test_a_package_with_a_number_keeps_its_name(measured, found):
    """The part that differs is in an attribute, not in the package's name."""
    files = {"k009_x.host": f"{CLASS}kept = Thing()\nn = [0]\n"}
    files["plugin"] = (
        f"from k009_x import host\n{ON}setattr(host.kept, f'a{{host.n[0]}}', on); host.n[0] += 1\n"
    )

    assert found(measured(files, loaded=("k009_x.host",))) == growing("k009_x.host.kept.a*")


NODE = """
    class Node:
        def __init__(self, action, older):
            self.action, self.older = action, older
    class CHAIN: head = None
    def call(f, inner): pass
    chain = None
"""
CHAINS = {
    "a linked list": ("host.CHAIN.head = host.Node(on, host.CHAIN.head)", "host.CHAIN.head(.older)*.action"),
    "a list by slots": (
        "s = host.Slots(); s.f, s.next, host.last = on, host.last, s; del s",
        "host.last(.next)*.f",
    ),
    "nested tuples": ("host.chain = (on, host.chain)", "host.chain([*])*[*]"),
    "nested lists": ("host.chain = [on, host.chain]", "host.chain([*])*[*]"),
    "nested dicts": ("host.chain = {'f': on, 'next': host.chain}", "host.chain(['next'])*['f']"),
    "partials": (
        "import functools; host.chain = functools.partial(host.call, on, host.chain)",
        "host.chain(.args[*])*.args[*]",
    ),
}


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("case", CHAINS)
def test_a_chain_is_one_finding(case, how, measured, found):
    """Each generation is one link further away: one growing finding, with the repeated step folded."""
    line, path = CHAINS[case]
    host = NODE + "    class Slots: __slots__ = ('f', 'next')\n    last = None\n"

    report = measured({"host": host, "plugin": f"import host\n{ON}{line}\n"}, how=how)

    assert found(report) == growing(path)


@pytest.mark.parametrize("case", CHAINS)
def test_the_signature_of_a_chain_does_not_depend_on_its_length(case, measured):
    """Four rounds and eight are the same leak."""
    line, _ = CHAINS[case]
    host = NODE + "    class Slots: __slots__ = ('f', 'next')\n    last = None\n"
    files = {"host": host, "plugin": f"import host\n{ON}{line}\n"}

    (short,), (long,) = (measured(files, rounds=rounds).findings for rounds in (4, 8))

    assert (short.signature, short.holder, short.trace) == (long.signature, long.holder, long.trace)


def test_containers_within_each_other_are_no_chain(measured, found):
    """A list in a list and a list in a list in a list are two holders: nothing says that one continues the other."""
    host = "outer = [[[]], []]\n"

    lines = f"import host\n{ON}host.outer[0][0].append(on); host.outer[1].append(on)\n"

    report = measured({"host": host, "plugin": lines})

    assert found(report) == growing("host.outer[*][*]", "host.outer[*][*][*]", sole=False)


ROUTES = """
    class Route: pass
    class Dependant: pass
    routes, names, tables = [], {}, []
    def add(f, *extra):
        route = Route()
        route.endpoint = f
        route.dependant = Dependant()
        route.dependant.call = f
        routes.append(route)
        return route
"""
SUBSCRIBED = """
    class Subscription:
        def __init__(self, f): self.f = f
    topics, owners = [], {}
    count = [0]
    def add(f):
        one = Subscription(f)
        topics.append(one)
        count[0] += 1
        owners[count[0]] = one
"""


@pytest.mark.parametrize("how", HOWS)
def test_parts_of_one_object_are_one_finding(how, measured, found):
    """Whoever removes the route is done with its endpoint and its dependant: the edge to the route is the holder."""
    report = measured({"host": ROUTES, "plugin": f"import host\n{ON}host.add(on)\n"}, how=how)

    assert found(report) == growing("host.routes[*]")
    (finding,) = report.findings
    assert (finding.holder.type, finding.held.name) == ("list", "plugin.on")


@pytest.mark.parametrize("how", HOWS)
def test_an_object_in_two_tables_has_two_holders(how, measured, found):
    """To remove it from one of them is no cure, so both are named and neither is the only one."""
    report = measured({"host": SUBSCRIBED, "plugin": f"import host\n{ON}host.add(on)\n"}, how=how)

    assert found(report) == growing("host.topics[*].f", "host.owners[*].f", sole=False)


@pytest.mark.parametrize("cured", ["topics.pop()", "owners.clear()"])
def test_an_object_that_is_removed_from_one_table_has_one_holder(cured, measured, found):
    """What is left is named, and it is the only one."""
    left = {"topics.pop()": "host.owners[*].f", "owners.clear()": "host.topics[*].f"}

    report = measured({"host": SUBSCRIBED, "plugin": f"import host\n{ON}host.add(on)\nhost.{cured}\n"})

    assert found(report) == growing(left[cured])


CURED = {
    "a number that stays the same": (f"{CLASS}kept = Thing()\n", "host.kept.a1 = on"),
    "a chain of one link": (NODE, "host.CHAIN.head = host.Node(on, None)"),
    "an object that takes the place of the one before": (ROUTES, "host.routes.clear(); host.add(on)"),
    "an object that is removed from both tables": (
        SUBSCRIBED,
        "host.add(on); host.topics.clear(); host.owners.clear()",
    ),
}


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("what", CURED)
def test_the_cured_twin_is_clean(what, how, measured, found):
    """It does the same, and leaves the present generation at most."""
    host, line = CURED[what]

    report = measured({"host": host, "plugin": f"import host\n{ON}{line}\n"}, how=how)

    assert (report.outcome, found(report)) == ("clean", [])


def test_a_route_in_two_tables_is_two_findings(measured, found):
    """One for each table, whatever the route has."""
    lines = f"import host\n{ON}route = host.add(on)\nhost.names[len(host.names)] = route\ndel route\n"

    report = measured({"host": ROUTES, "plugin": lines})

    assert found(report) == growing("host.names[*]", "host.routes[*]", sole=False)


CHAIN = """
chain = None

class Item:
    def __init__(self, **parts):
        vars(self).update(parts)

class Link:
    def __init__(self, older, item):
        self.older, self.item = older, item

def push(**parts):
    global chain
    chain = Link(chain, Item(**parts))
"""


@pytest.mark.parametrize("before", ["", "host.chain = None"], ids=["leaking", "cured"])
@pytest.mark.parametrize("how", HOWS)
def test_what_hangs_on_one_link_of_a_chain_is_one_finding(how, before, measured, found):
    """Whoever removes the link is done, as with the routes of a router that each reload merges into an application."""
    plugin = f"import host\n{ON}def check(): pass\n{before}\nhost.push(call=on, deep=[check])\n"

    report = measured({"host": CHAIN, "plugin": plugin}, how=how)

    assert found(report) == ([] if before else growing("host.chain(.older)*.item"))
    assert report.outcome == ("clean" if before else "leaking")
