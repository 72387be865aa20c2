"""Small ways to break the tool: what is changed, what that breaks, and which tests are expected to notice."""

from __future__ import annotations

from dataclasses import dataclass

REFERENCES_ALONE = "tests/effects/test_references_alone.py"
ORIGINAL = "tests/generations/test_original.py"


@dataclass(frozen=True)
class Mutant:
    """One small change of one file."""

    name: str
    file: str
    """Below `pytest_reloadleak`."""
    old: str
    """What is changed; it must occur exactly once."""
    new: str
    what: str
    """What goes wrong then."""
    tests: tuple[str, ...]
    """Files, tests, or cases of tests: few, so that a run is quick."""


def leaks(*cases: str) -> tuple[str, ...]:
    """Twins of `tests/cases/edges.py` that leak, such as `list item-reimport`."""
    return tuple(
        f"tests/holders/test_cases.py::test_the_leaking_twin_is_found_with_its_holder[{case}]"
        for case in cases
    )


def line(*ways: str) -> tuple[str, ...]:
    """Ways of `tests/watchpoints/test_lines.py` to make a reference."""
    path = "tests/watchpoints/test_lines.py::test_the_line_is_named"
    return tuple(f"{path}[{way}-reimport]" for way in ways)


def undone(*cases: str) -> tuple[str, ...]:
    """Cases of `tests/cases/undoing.py`, by `reimport`."""
    path = "tests/cures/test_applied.py::test_the_method_that_undoes_is_found_on_the_holder"
    return tuple(f"{path}[{case}-reimport]" for case in cases)


def cured(*cases: str) -> tuple[str, ...]:
    """Their cured twins."""
    return tuple(f"tests/holders/test_cases.py::test_the_cured_twin_is_clean[{case}]" for case in cases)


def registered(*cases: str) -> tuple[str, ...]:
    """Twins of `tests/cases/registries.py` that leak."""
    path = "tests/effects/test_registries.py::test_what_each_generation_leaves_behind_is_one_finding"
    return tuple(f"{path}[{case}]" for case in cases)


def running(*cases: str) -> tuple[str, ...]:
    """Twins of `tests/effects/test_threads.py` that leak."""
    path = "tests/effects/test_threads.py::test_what_is_left_running_is_one_finding"
    return tuple(f"{path}[{case}]" for case in cases)


def opened(*cases: str) -> tuple[str, ...]:
    """Twins of `tests/cases/open_things.py` that leak."""
    return tuple(f"tests/effects/test_open.py::test_what_stays_open_is_one_finding[{case}]" for case in cases)


def pending(*cases: str) -> tuple[str, ...]:
    """Twins of `tests/cases/loops.py` that leak."""
    return tuple(
        f"tests/effects/test_loops.py::test_what_is_left_on_a_loop_is_found[{case}]" for case in cases
    )


def growing(*cases: str) -> tuple[str, ...]:
    """Twins of `tests/holders/test_growth.py` that accumulate."""
    path = "tests/holders/test_growth.py::test_what_accumulates_is_one_finding_with_its_line"
    return tuple(f"{path}[{case}]" for case in cases)


def growing_by_one(*cases: str) -> tuple[str, ...]:
    """Twins of `tests/growth/test_growth_by_one.py` that leak."""
    path = "tests/growth/test_growth_by_one.py::test_what_the_targets_code_puts_there_is_a_leak"
    return tuple(f"{path}[{case}]" for case in cases)


SWEEPS = ("tests/holders/test_sweep.py", "tests/holders/test_oracle_sweep.py")

HEAP = (
    Mutant(
        "asyncio in C is entered",
        "holders/sweep.py",
        "{*skip, *map(id, unsafe_modules())}",
        "set(skip)",
        "a later collection of CPython 3.12 may turn in a circle",
        ("tests/holders/test_sweep.py",),
    ),
    Mutant(
        "no context roots",
        "holders/roots.py",
        "return [*_signals(), *_atexit(), *_context(), *_hooks()]",
        "return [*_signals(), *_atexit(), *_hooks()]",
        "what the current context holds has no root",
        (
            "tests/effects/test_references_alone.py::test_what_a_registry_keeps_is_found[a context variable-reimport]",
        ),
    ),
    Mutant(
        "no signal roots",
        "holders/roots.py",
        "return [*_signals(), *_atexit(), *_context(), *_hooks()]",
        "return [*_atexit(), *_context(), *_hooks()]",
        "what a signal handler holds has no root",
        ("tests/effects/test_references_alone.py::test_what_a_signal_handler_keeps_is_found",),
    ),
    Mutant(
        "no exit roots",
        "holders/roots.py",
        "return [*_signals(), *_atexit(), *_context(), *_hooks()]",
        "return [*_signals(), *_context(), *_hooks()]",
        "what an exit callback holds has no root",
        (
            "tests/effects/test_references_alone.py::test_what_a_registry_keeps_is_found[a callback at exit-reimport]",
        ),
    ),
    Mutant(
        "frames of this thread only",
        "holders/roots.py",
        "for ident, frame in gc.current_frames().items():\n        yield from",
        "for ident, frame in list(gc.current_frames().items())[-1:]:\n        yield from",
        "locals of other threads are no roots",
        leaks("local of a running thread-reimport"),
    ),
    Mutant(
        "last parent of a slice",
        "holders/sweep.py",
        "for parent in range(at, min(len(above), at + SLICE)):",
        "for parent in range(at, min(len(above), at + SLICE - 1)):",
        "off by one: what the last object of a slice leads to has no path",
        SWEEPS,
    ),
    Mutant(
        "barred roots are entered",
        "holders/sweep.py",
        "        self.seen |= self._barred\n",
        "",
        "what an effect keeps is reported under another holder that refers to the effect",
        SWEEPS,
    ),
    Mutant(
        "sinks are entered",
        "holders/sweep.py",
        "                            hits.setdefault((here, at), set()).add(key)\n",
        "                            hits.setdefault((here, at), set()).add(key)\n" + 28 * " " + "push(o)\n",
        "the sweep goes on through sinks",
        SWEEPS,
    ),
    Mutant(
        "a group forgets the ones before",
        "holders/sweep.py",
        "        base = len(self.levels)\n",
        "        self.seen.difference_update(map(id, level))\n        base = len(self.levels)\n",
        "a root that is reached again is entered twice",
        SWEEPS,
    ),
    Mutant(
        "untracked sinks are dropped",
        "holders/sweep.py",
        "self._has_untracked = not all(map(gc.is_tracked, sinks.values()))",
        "self._has_untracked = False",
        "a sentinel's holders are not found",
        leaks("sentinel bound by identity-reimport", "sentinel as a default-reimport"),
    ),
    Mutant(
        "causes are reported again",
        "holders/sweep.py",
        "        self._reported_levels = len(self.levels)\n",
        "",
        "what was entered before is reported a second time below an effect",
        (
            "tests/holders/test_oracle_sweep.py",
            "tests/effects/test_open.py::test_a_file_that_a_retained_object_has_is_its_consequence",
        ),
    ),
    Mutant(
        "two rounds of grace",
        "holders/retention.py",
        "GRACE = 1\n",
        "GRACE = 2\n",
        "the third generation from the end is not judged",
        ("tests/holders/test_cases.py::test_all_generations_but_the_last_two_are_judged",),
    ),
    Mutant(
        "the predecessor is judged",
        "holders/search.py",
        "        return self.ledger.current - self.grace\n",
        "        return self.ledger.current - self.grace + 1\n",
        "off by one: a slot that holds the previous generation is a leak",
        (
            "tests/holders/test_cases.py::test_all_generations_but_the_last_two_are_judged",
            "tests/run/test_unload.py::test_without_the_unload_check_a_slot_is_clean",
        ),
    ),
    Mutant(
        "undated functions one round later",
        "holders/retained.py",
        "[: len(by_code) - 1 - search.grace]",
        "[: len(by_code) - 2 - search.grace]",
        "off by one: of lambdas that nothing dates one generation too few is old",
        (f"{REFERENCES_ALONE}::test_what_a_registry_keeps_is_found[a function that nothing dates-reload]",),
    ),
    Mutant(
        "one pass for the resurrected",
        "holders/retained.py",
        "    known = -1\n    while known < len(",
        "    known = 0\n    while known < 1 and len(retained.objects) >= 0 and known < len(",
        "instances of a resurrected class are not gathered",
        (
            "tests/facts/test_facts.py::test_fact_4_an_object_may_be_alive_though_its_weak_references_say_dead",
            "tests/heap/test_hostile.py::test_an_object_that_resurrects_itself_is_found",
        ),
    ),
    Mutant(
        "the newest date loses",
        "generations/ledger.py",
        "if newest is not None and not is_original and (first is None or newest > first):",
        "if newest is not None and first is None:",
        "a class that an in-place patcher gave new methods stays old",
        ("tests/generations/test_ledger.py",),
    ),
    Mutant(
        "ghosts are current",
        "generations/ledger.py",
        "        return stamp is not None and stamp < self.births[-1].generation\n",
        "        return False\n",
        "a class that the new execution did not define counts as its own",
        ("tests/generations/test_ledger.py",),
    ),
    Mutant(
        "a copied namespace is a home",
        "generations/markers.py",
        "        return marker is not None and self._homes.get(id(namespace)) == marker.generation\n",
        "        return marker is not None\n",
        "a dict that was updated from a namespace counts as an old one",
        ("tests/generations/test_ledger.py",),
    ),
    Mutant(
        "an earlier check's leak is this one's",
        "generations/earlier_checks.py",
        "    return is_in(_left_over, o)\n",
        "    return False\n",
        "what one check left is held against the next",
        (
            "tests/generations/test_ledger.py::test_functions_that_a_finished_check_leaves_are_not_held_against_the_next",
            "tests/run/test_restore.py::test_what_one_check_left_is_not_held_against_the_next",
            "tests/run/test_restore.py::test_code_that_an_earlier_check_left_is_of_no_generation_of_the_next",
        ),
    ),
    Mutant(
        "codecs are not recognised",
        "holders/native.py",
        'if encodings is not None and id(vars(encodings).get("search_function")) in members:',
        'if encodings is None and id(vars(encodings).get("search_function")) in members:',
        "the registry of a search function is not named",
        (
            "tests/effects/test_references_alone.py::test_what_a_registry_keeps_is_found[a search function-reimport]",
            "tests/holders/test_cases.py::test_the_leaking_twin_is_found_with_its_holder[codecs.register-reimport]",
        ),
    ),
    Mutant(
        "tzinfo is not asked",
        "holders/native.py",
        "            return (tzinfo(o),)\n",
        "            return ()\n",
        "what a datetime hides has no holder",
        leaks("datetime with an own tzinfo-reimport"),
    ),
    Mutant(
        "no reference in C",
        "holders/native.py",
        "if gc.getrefcount(rest[at]) - ours > inner[id(rest[at])]]",
        "if gc.getrefcount(rest[at]) - ours > inner[id(rest[at])] + 1]",
        "off by one: an object that C refers to once is not distinguished from what it leads to",
        ("tests/effects/test_references_alone.py::test_what_is_held_in_c_is_told_by_what_is_held",),
    ),
    Mutant(
        "sizes of what others reach",
        "holders/sizes.py",
        "if id(child) not in ids and id(child) not in seen:",
        "if id(child) not in ids:",
        "what everybody uses counts as kept by the leak",
        ("tests/holders/test_oracle_sizes.py",),
    ),
    Mutant(
        "what two keep counts for each",
        "holders/sizes.py",
        "if keepers[key] == 1}",
        "if keepers[key]}",
        "the cost of one holder has what another keeps as well",
        ("tests/holders/test_sizes.py::test_what_two_holders_keep_dies_with_neither",),
    ),
    Mutant(
        "the outermost container",
        "cures/references.py",
        "at = max((n for n, step in enumerate(steps) if id(step[0]) in common), default=0)",
        "at = min((n for n, step in enumerate(steps) if id(step[0]) in common), default=0)",
        "the cure edits what the generations share instead of what each has for itself",
        undone("argument that is new each time"),
    ),
    Mutant(
        "undone without its event",
        "cures/pairs.py",
        "out[takes.names[at]] = at",
        "out[takes.names[at]] = mention.subject",
        "the undoing call gets the function in place of the event",
        undone("subscribe and unsubscribe with an event"),
    ),
    Mutant(
        "a name of another scope",
        "cures/reading.py",
        "inner = local | _locals(node)",
        "inner = local",
        "the cure uses a name that only the function has in which the object was registered",
        undone("add_x and remove_x with a local event"),
    ),
    Mutant(
        "the wrong edge is red",
        "report/graphs.py",
        "red = cut if cut is not None and 0 < cut < at else max(at - 1, 0)",
        "red = cut if cut is not None and 0 < cut < at else max(at - 2, 0)",
        "the graph says to cut where nothing is to be cut",
        ("tests/report/test_graphs.py::test_the_way_leads_from_the_root_to_each_generation",),
    ),
    Mutant(
        "some sinks count for all",
        "holders/sizes.py",
        "if not sinks.keys() <= ids:",
        "if sinks.keys().isdisjoint(ids):",
        "what the namespace does not lead to is left out of the count",
        ("tests/holders/test_oracle_sizes.py",),
    ),
    Mutant(
        "no header",
        "holders/sizes.py",
        "return _HEADER_BYTES * (bool(is_collected) + bool(flags & _MANAGED))",
        "return _HEADER_BYTES * bool(flags & _MANAGED)",
        "sizes lack the collector's header",
        ("tests/holders/test_oracle_sizes.py",),
    ),
    Mutant(
        "others' parts are items",
        "holders/sizes.py",
        "tracked = sum(sum(map(gc.is_tracked, level)) for level in _levels(owned))",
        "tracked = sum(sum(map(gc.is_tracked, level)) for level in [owned, *list(_levels(objects))[1:]])",
        "a list of who is loaded grows by what those have",
        ("tests/holders/test_sizes.py",),
    ),
    Mutant(
        "known caches stay full",
        "heap/interpreter_caches.py",
        "        if cache.applies():\n",
        "        if not cache.applies():\n",
        "bounded caches of the interpreter are held against the target",
        ("tests/facts/test_facts.py::test_fact_5_the_caches_of_typing_are_not_held_against_the_target",),
    ),
    Mutant(
        "one reference is none",
        "generations/original.py",
        "gc.getrefcount(nodes[key]) - ours > inner.get(key, 0)}",
        "gc.getrefcount(nodes[key]) - ours > inner.get(key, 0) + 1}",
        "off by one: a single holder of the original generation is not suspected",
        ("tests/generations/test_original.py",),
    ),
    Mutant(
        "data that is still current",
        "generations/original.py",
        "            if name in now and dict.get(now, name) is not value:\n",
        "            if name in now:\n",
        "data that the target did not replace counts as old",
        (f"{ORIGINAL}::test_data_that_is_no_older_version_does_not_count[the very same object]",),
    ),
    Mutant(
        "one collection",
        "heap/settle.py",
        "        if before is None or left < before or (freed and links < _MOST_LINKS):\n",
        "        if before is None and left < 0:\n",
        "what takes several collections to die is called a leak",
        ("tests/facts/test_facts.py::test_fact_6_what_takes_several_collections_to_die_is_clean",),
    ),
    Mutant(
        "collections end while a chain dies",
        "heap/settle.py",
        " or (freed and links < _MOST_LINKS):",
        ":",
        "a chain of finalizers is followed only while the number of what is waited for falls",
        ("tests/heap/test_settle_chains.py",),
    ),
    Mutant(
        "indexes are causes",
        "holders/trace.py",
        '        return rename(step) if step.startswith("[\'") and not _NUMBERED.search(step) else "[*]"\n',
        '        return rename(step) if step.startswith("[\'") else "[*]"\n',
        "each numbered key is a finding of its own",
        leaks("dict value by a key with a number-reimport"),
    ),
    Mutant(
        "the first discovered path is reported",
        "holders/grouping.py",
        "        if other.first.rank < self.first.rank:",
        "        if self.first.is_one and other.first.rank < self.first.rank:",
        "what the second look discovers in another order is missed",
        ("tests/holders/test_oracle_targets.py::test_names_that_differ_in_numbers_only",),
    ),
)

EFFECTS = (
    Mutant(
        "raw threads are not seen",
        "effects/system/threads.py",
        "return [(ident, known.get(ident, 0)) for ident in current_frames()]",
        "return [(ident, known[ident]) for ident in current_frames() if ident in known]",
        "a thread of `_thread` has no birth",
        running("raw thread with nothing of the target's in it-reimport"),
    ),
    Mutant(
        "timers are threads",
        "effects/system/threads.py",
        'Cause("live-timer" if is_timer else "live-thread", "thread", path',
        'Cause("live-thread", "thread", path',
        "a timer has the wrong kind",
        running("timer-reimport"),
    ),
    Mutant(
        "cancelled timers are over",
        "effects/loops/loop_probe.py",
        "            out += self._cancelled(loops)\n",
        "",
        "a timer that was cancelled and is kept is not reported",
        pending("timer that was cancelled and is kept-reimport"),
    ),
    Mutant(
        "parts of a task are causes",
        "effects/loops/loop_probe.py",
        "        if served and not is_owned(entry.callback, self.scope.owns):\n",
        "        if False:\n",
        "a timer that merely wakes a task is a finding of its own",
        pending("task that nobody cancels-reimport"),
    ),
    Mutant(
        "orphans have no owner",
        "effects/system/children.py",
        "return dated(self._orphans.present()) if self._orphans is not None else {}",
        "return {}",
        "a daemon whose parent ended is not seen",
        ("tests/effects/test_orphans.py",),
    ),
    Mutant(
        "zombies run",
        "effects/system/children.py",
        'self.is_zombie = self.status in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD, "gone"}',
        'self.is_zombie = self.status == "gone"',
        "a zombie is reported as a child that runs",
        opened("zombie-reimport"),
    ),
    Mutant(
        "pipes of children are leaks",
        "effects/system/descriptors.py",
        "        found = [one for one in found if one.number not in of_children]\n",
        "",
        "a child and its pipe are two findings",
        opened(
            "child that runs, with a pipe-reimport",
            "process of multiprocessing, forked-reimport",
            "child of the target's own class-reimport",
        ),
    ),
    Mutant(
        "descriptors by number",
        "effects/system/descriptors.py",
        "return (self.number, self.device, self.inode, self.mode, self.text, self.again)",
        "return (self.number, 0, 0, 0, self.text, self.again)",
        "a descriptor that was closed and whose number was taken again is the old one",
        (
            "tests/effects/test_open.py::test_a_number_that_is_used_again_is_not_old",
            "tests/effects/test_open.py::test_a_descriptor_is_told_by_its_number_and_by_what_it_is",
        ),
    ),
    Mutant(
        "no sqlite3 converters",
        "effects/registries/library_registries.py",
        '    _of("sqlite3", "converters", "delete the converter from sqlite3.converters"),\n',
        "",
        "a registry is dropped",
        registered("sqlite3.register_converter-reimport"),
    ),
    Mutant(
        "no filters of handlers",
        "effects/registries/logging_registries.py",
        "    for entry in handlers.values():\n        yield from _filters(entry)\n",
        "",
        "a registry is dropped",
        registered("filter of somebody's handler-reimport"),
    ),
    Mutant(
        "variables as a whole",
        "effects/registries/process_registries.py",
        "for part in text.split(os.pathsep) if os.pathsep in text else ():",
        "for part in ():",
        "a list in the environment that grows is not seen",
        registered("list in os.environ-reimport"),
    ),
    Mutant(
        "equal entries are one",
        "effects/registries/registry.py",
        "        counts[key] = counts.get(key, 0) + 1\n",
        "        counts[key] = 1\n",
        "the same text a second time in a list is not seen",
        registered("sys.path with the same directory-reimport"),
    ),
    Mutant(
        "slots are not read",
        "effects/registries/registry.py",
        "        yield Entry((name, path, id(value)), path, (value,))\n",
        "        yield from ()\n",
        "single slots such as a trace function are not seen",
        registered("sys.settrace-reimport"),
    ),
    Mutant(
        "watching never ends",
        "effects/registries/watched.py",
        'has the functions put back."""\n        stand_ins.unlisten(self._called)\n',
        'has the functions put back."""\n',
        "the stand-ins stay after the check",
        (
            "tests/effects/test_watched.py::test_every_function_is_replaced_and_put_back",
            "tests/effects/test_watched.py::test_a_check_puts_all_back_also_after_an_error",
        ),
    ),
    Mutant(
        "other threads are blamed",
        "effects/registries/watched.py",
        "is_other_thread=_get_ident() != self._thread",
        "is_other_thread=False",
        "what another thread registers meanwhile is the target's",
        ("tests/effects/test_watched.py::test_other_threads_are_not_blamed",),
    ),
    Mutant(
        "one without an owner is enough",
        "effects/groups.py",
        "REPEATED = 2\n",
        "REPEATED = 1\n",
        "a single thread or file of anybody's is the target's",
        ("tests/effects/test_groups.py",),
    ),
    Mutant(
        "what comes while settling counts",
        "effects/groups.py",
        "return [m for m in self.members if m.born is not None and not m.is_idle]",
        "return [m for m in self.members if m.born is not None]",
        "what comes between the rounds is the target's doing",
        ("tests/effects/test_groups.py",),
    ),
    Mutant(
        "consequences are findings",
        "effects/groups.py",
        "            member.owner = id(effect.values[0])\n",
        "            pass\n",
        "a file that a retained object has is a finding beside it",
        ("tests/effects/test_open.py::test_a_file_that_a_retained_object_has_is_its_consequence",),
    ),
    Mutant(
        "a probe that raises is silent",
        "effects/effect_ledger.py",
        "            self.failed[probe.name] = foreign.exception_text(error)\n",
        "            del error\n",
        "a probe that could not look is not reported",
        ("tests/effects/test_probes.py::test_a_probe_that_could_not_look_leaves_the_question_open",),
    ),
    Mutant(
        "a patch is a mere reference",
        "holders/trace.py",
        "    return patches.patch_of(",
        "    return None and patches.patch_of(",
        "a patched attribute is reported as a reference of its holder",
        ("tests/effects/test_patches.py::test_a_patch_is_found",),
    ),
)

STRATEGIES = (
    Mutant(
        "the parent keeps the module",
        "strategies/imports/unload.py",
        "            del holder[leaf]\n",
        "            pass\n",
        "`from pkg import sub` finds the old module",
        (
            "tests/strategies/test_strategies.py::test_what_is_on_a_foreign_parent_while_the_target_executes",
            "tests/facts/test_facts.py::test_fact_9_the_package_has_the_present_module_after_each_round",
        ),
    ),
    Mutant(
        "finders' caches stay",
        "strategies/reimport.py",
        "        invalidate_caches()\n",
        "",
        "what was written meanwhile is not found",
        ("tests/strategies/test_strategies.py::test_only_reimport_drops_the_finders_caches[reimport-1]",),
    ),
    Mutant(
        "a pyc of the same instant is believed",
        "strategies/imports/bytecode.py",
        "    return edited.st_mtime_ns >= written.st_mtime_ns\n",
        "    return edited.st_mtime_ns > written.st_mtime_ns + 10**9\n",
        "an edit of the same size in the same second is not seen",
        (
            "tests/strategies/test_strategies.py::test_an_edit_of_the_same_size_in_the_same_second_is_seen",
            "tests/facts/test_facts.py::test_fact_10_an_edit_of_the_same_size_in_the_same_second_is_seen",
        ),
    ),
    Mutant(
        "an emptied namespace is a fresh one",
        "generations/markers.py",
        "        return known is not None and known() is module and foreign.module_dict(module) is namespace\n",
        "        return False\n",
        "reloaders that empty the namespace: a clean module leaks, and a growing leak is bounded",
        ("tests/generations/test_emptied.py",),
    ),
    Mutant(
        "the check's frames keep the target's trace function",
        "heap/own_objects.py",
        "            frame.f_trace = None\n",
        "            pass\n",
        "what the target registered itself as comes out as an old generation, held natively",
        (
            "tests/generations/test_patched_in_place.py::test_a_trace_function_that_each_generation_overwrites",
        ),
    ),
    Mutant(
        "an original that was patched once is of another generation",
        "generations/ledger.py",
        "        if not is_reused and is_in(self.births[0].functions, function):\n",
        "        if False:\n",
        "the check's own hold on the original is reported under IPython",
        (
            "tests/generations/test_patched_in_place.py::test_an_original_that_was_patched_once_is_the_checks_own",
        ),
    ),
    Mutant(
        "loops do not turn before the process is judged",
        "heap/settle.py",
        "        turns.give()\n",
        "",
        "what a loop would end in its next turn is reported",
        ("tests/heap/test_turns.py",),
    ),
    Mutant(
        "a wrapper of a helper is no patch",
        "holders/patches.py",
        "        is_patch = _are_wrappers(around, name) and ",
        "        is_patch = not around and ",
        "what wrapt, a partial or a helper put there comes out as a mere reference",
        ("tests/effects/test_wrappers.py::test_a_wrapper_of_whatever_make_is_a_patch",),
    ),
    Mutant(
        "all callers get the answer that there is no bytecode",
        "strategies/imports/bytecode.py",
        " and getframe(1).f_code is _get_code:\n",
        ":\n",
        "the host's own questions about the target's files raise",
        ("tests/strategies/test_host_undisturbed.py",),
    ),
    Mutant(
        "the bytecode cache stays away",
        "strategies/imports/bytecode.py",
        "            _loaders.cache_from_source = original\n",
        "            pass\n",
        "forgotten restore: the loader goes through the check for ever",
        (
            "tests/strategies/test_strategies.py::test_the_bytecode_cache_is_restored_when_a_reload_raises",
            "tests/strategies/test_strategies.py::test_an_edit_of_the_same_size_in_the_same_second_is_seen",
        ),
    ),
    Mutant(
        "the table stays replaced",
        "strategies/imports/transaction.py",
        "        sys.modules = self.table\n",
        "",
        "forgotten restore: a `sys.modules` that the program replaced stays",
        ("tests/run/test_restore.py::test_a_module_table_that_the_last_hook_replaced_is_back",),
    ),
    Mutant(
        "parents' attributes stay",
        "strategies/imports/transaction.py",
        "        for name, value in self.attributes.items():\n            _set_attribute(name, value)\n",
        "",
        "forgotten restore: the package has the last generation's module",
        (
            "tests/run/test_restore.py::test_the_modules_are_the_same_objects_with_the_same_contents[package.plugin-source0-clean-reimport]",
        ),
    ),
    Mutant(
        "added names stay",
        "strategies/imports/transaction.py",
        "        namespace.pop(key, None)\n    for key, value",
        "        pass\n    for key, value",
        "forgotten restore: what a round added to a reused namespace stays there",
        ("tests/run/test_restore.py::test_the_contents_of_a_namespace_that_is_used_again_come_back",),
    ),
    Mutant(
        "what was not loaded stays loaded",
        "strategies/imports/transaction.py",
        "            if name not in self.modules:\n                self._forget(name)\n",
        "            pass\n",
        "forgotten restore: a unit that was not loaded before is afterwards",
        (
            "tests/run/test_restore.py::test_a_unit_that_was_not_loaded_is_not_loaded_afterwards",
            "tests/run/test_restore.py::test_a_submodule_that_only_a_round_loaded_is_not_loaded_afterwards",
        ),
    ),
    Mutant(
        "cascade in any order",
        "strategies/cascade.py",
        "for name in sorted(modules, key=lambda name: place.get(name, -1)):",
        "for name in sorted(modules):",
        "a dependent is imported before what it depends on",
        ("tests/strategies/test_cascade.py::test_exactly_the_closure_is_executed_dependencies_first",),
    ),
    Mutant(
        "disposed in the order of imports",
        "strategies/cascade.py",
        "return sorted(names, key=lambda name: place.get(name, -1), reverse=True)",
        "return sorted(names, key=lambda name: place.get(name, -1))",
        "what others depend on is disposed before them",
        ("tests/strategies/test_cascade_edges.py::test_whoever_depends_on_others_is_disposed_before_them",),
    ),
    Mutant(
        "reload in the order of names",
        "strategies/reload.py",
        "        for name in in_order(modules):\n",
        "        for name in sorted(modules):\n",
        "a package is executed before its submodules",
        (
            "tests/strategies/test_strategies.py::test_reload_executes_submodules_before_their_package",
            "tests/strategies/test_strategies.py::test_reload_executes_a_module_after_those_it_took_something_from",
        ),
    ),
    Mutant(
        "disposed twice",
        "strategies/dispose.py",
        "    if hook in known[1]:\n        return True\n",
        "",
        "an original that came back disposed is disposed again",
        (
            "tests/strategies/test_dispose_again.py::test_an_original_that_came_back_disposed_is_not_disposed_again",
        ),
    ),
    Mutant(
        "hooks stay due",
        "strategies/dispose.py",
        "        self._pending.clear()\n        calls =",
        "        calls =",
        "a hook is called again before the next generation",
        (
            "tests/strategies/test_dispose.py::test_children_are_disposed_first_and_each_hook_once",
            "tests/strategies/test_dispose_again.py::test_an_original_that_came_back_disposed_is_not_disposed_again",
        ),
    ),
    Mutant(
        "nothing is handed over by workers",
        "strategies/workers/worker_strategy.py",
        "            self._replace(self._stop())\n",
        "            self._stop()\n            self._replace({})\n",
        "the next worker does not get what its predecessor left for it",
        (
            "tests/strategies/test_strategy_worker.py::test_targets",
            "tests/strategies/test_strategy_worker.py::test_each_round_has_a_process_and_a_state_of_its_own",
        ),
    ),
    Mutant(
        "no proof is wanted",
        "run/reloading.py",
        "        if not self._record.next():\n",
        "        if self._record.next() is None:\n",
        "a reload that does nothing is clean",
        (
            "tests/facts/test_facts.py::test_fact_11_a_reload_that_does_nothing_is_an_error",
            "tests/facts/test_facts.py::test_fact_11_a_reload_that_stops_reloading_is_an_error_of_that_round",
        ),
    ),
    Mutant(
        "the collector stays off",
        "run/process_state.py",
        "        settle.put_back(self._gc_enabled)\n",
        "",
        "forgotten restore: whether automatic collection is on",
        (
            "tests/run/test_restore.py::test_automatic_collection_is_as_it_was[import gc\\ngc.disable()\\n-True]",
        ),
    ),
)

JUDGEMENT = (
    Mutant(
        "no growth is growth",
        "verdict/judge.py",
        'if more > 0 else ("bounded", 0.0)\n',
        'if more >= 0 else ("bounded", 0.0)\n',
        "off by one: what the second pass leaves as it was grows",
        ("tests/verdict/test_judge.py",),
    ),
    Mutant(
        "growth by the round before",
        "verdict/judge.py",
        '    return ("growing", round(more / rounds, 2)) if more > 0',
        '    return ("growing", round(more / (rounds + 1), 2)) if more > 0',
        "off by one: growth per round",
        ("tests/verdict/test_judge.py",),
    ),
    Mutant(
        "what the second pass began was there before",
        "generations/first_pass.py",
        "        return shifted if shifted and alive.issuperset(shifted.values()) else early or None\n",
        "        return shifted\n",
        "what is not yet gone after the second pass is a finding",
        ("tests/generations/test_first_pass.py",),
    ),
    Mutant(
        "what was not counted did not grow",
        "effects/system/meter.py",
        "    objects = _difference(first.objects, last.objects) if is_counted else blocks - noise\n",
        "    objects = _difference(first.objects, last.objects) if is_counted else 0\n",
        "on a large heap growth of objects is not suspected",
        ("tests/holders/test_growth.py::test_the_objects_of_a_large_heap_are_counted_for_good_reason_only",),
    ),
    Mutant(
        "a pass for growth goes on",
        "run/protocol.py",
        "            if not goes_on(samples):\n",
        "            if not goes_on(samples) and number < 0:\n",
        "a pass does not end with the round that shows that nothing grows",
        ("tests/holders/test_growth.py::test_a_plateau_is_no_growth",),
    ),
    Mutant(
        "the short canary is not asked",
        "isolation/canaries.py",
        "                return None if _reloaded(Looking.is_any_alive) else _unreliable(_MISSED)\n",
        "                return None\n",
        "a clean verdict is believed in a process in which no leak is seen",
        ("tests/isolation/test_canaries.py::test_a_leak_that_is_not_found_is_said",),
    ),
    Mutant(
        "ctypes makes classes of the target's",
        "heap/foreign.py",
        '_ON_DEMAND = frozenset({"_ctypes.PyCArrayType", "_ctypes.PyCPointerType"})\n',
        "_ON_DEMAND: frozenset[str] = frozenset()\n",
        "types that are shared by all who ask are old",
        (
            "tests/holders/test_found_by_sweeps.py::test_what_ctypes_makes_for_all_who_ask_is_of_no_generation",
        ),
    ),
    Mutant(
        "what is bound again was executed again",
        "generations/ledger.py",
        "        return self.markers.is_shared(namespace) and id(namespace) in self._renewed\n",
        "        return self.markers.is_shared(namespace)\n",
        "functions of a module that no round executes are old",
        (
            "tests/holders/test_found_by_sweeps.py::test_a_module_that_is_merely_bound_again_has_no_old_functions",
        ),
    ),
    Mutant(
        "what a call returned is not the original's",
        "generations/original.py",
        " or _is_any_unreached(nodes, original, ledger)\n",
        "\n",
        "a function of the original that no name leads to is missed",
        ("tests/holders/test_found_by_sweeps.py::test_what_a_call_returned_before_the_check_is_old",),
    ),
    Mutant(
        "no entry is weak",
        "heap/weak_entries.py",
        "return bool(ours) and any(",
        "return not ours and any(",
        "what the check itself keeps alive is a leak",
        ("tests/holders/test_found_by_sweeps.py::test_an_entry_that_ends_with_the_original_is_no_leak",),
    ),
    Mutant(
        "every entry of a weak mapping ends",
        "heap/weak_entries.py",
        "issubclass(type(o), weakref.ref) and id(_referent(o)) in ours",
        "issubclass(type(o), weakref.ref)",
        "an entry of an object that a host keeps is missed",
        ("tests/holders/test_found_by_sweeps.py::test_an_entry_of_what_stays_alive_is_a_leak",),
    ),
    Mutant(
        "no holder takes the same again",
        "generations/first_pass.py",
        "        return {key: count for key, count in more.items() if count > 0}\n",
        "        return {}\n",
        "a list that takes the same old function in each round is bounded",
        ("tests/holders/test_growing.py",),
    ),
    Mutant(
        "no keeper fills a container for the runner",
        "holders/container_growth.py",
        "    cause = cause or search.noise.cause_of_items(_items(arrival.path[-1], more))\n",
        "",
        "what a keeper's own objects fill is a finding",
        ("tests/holders/test_growth.py::test_what_a_keeper_puts_there_is_a_note",),
    ),
    Mutant(
        "no second pass",
        "run/protocol.py",
        "            yield from self._second_pass(rounds)\n",
        "            pass\n",
        "what was found is not confirmed",
        ("tests/holders/test_cases.py::test_a_bound_is_told_from_growth_by_more_rounds",),
    ),
    Mutant(
        "a glance believes everything to be garbage",
        "generations/uncollected.py",
        "    return wanted.isdisjoint(reachable_from(outside, nodes, borders))\n",
        "    return True\n",
        "a generation that something holds passes for garbage on a large heap",
        ("tests/run/test_glance.py",),
    ),
    Mutant(
        "a glance sees no finalizer",
        "generations/uncollected.py",
        "    if stack or any(_has_finalizer(nodes[key]) for key in nodes.keys() - borders):\n",
        "    if stack:\n",
        "what a finalizer would bring back passes for garbage on a large heap",
        ("tests/run/test_glance.py",),
    ),
    Mutant(
        "registrations last",
        "model.py",
        '    "registration",\n    "open-fd",\n    "patched-global",\n',
        '    "open-fd",\n    "patched-global",\n    "registration",\n',
        "findings are not in the order of kinds",
        ("tests/verdict/test_judge.py",),
    ),
    Mutant(
        "lines in signatures",
        "verdict/judge.py",
        "signature=signature(kind, target, (*retention.trace, retention.holder.type)),",
        "signature=signature(kind, target, (*retention.trace, retention.holder.type, str(retention.held.line))),",
        "a signature changes when lines move",
        ("tests/report/test_json.py::test_a_signature_outlives_edits_that_do_not_matter",),
    ),
    Mutant(
        "not seen is clean",
        "verdict/judge.py",
        '"leaking" if is_leaking else "inconclusive" if blind else "known"',
        '"leaking" if is_leaking else "known"',
        "a probe that could not look leaves no question open",
        (
            "tests/effects/test_probes.py::test_a_probe_that_could_not_look_leaves_the_question_open",
            "tests/effects/test_loops.py::test_a_loop_that_tells_nothing_leaves_the_question_open",
        ),
    ),
    Mutant(
        "a bounded remainder is no binding",
        "verdict/judge.py",
        'growth == "bounded" and retention.is_binding else "retained-generation"',
        'growth == "growing" and retention.is_binding else "retained-generation"',
        "a stale binding has the wrong kind",
        leaks("from plugin import name-reimport"),
    ),
)

RUNNING = (
    Mutant(
        "a hook that raises stops the others",
        "run/performing.py",
        "            if self._disposed(call, error):\n                raise\n",
        "            self._disposed(call, error)\n            raise\n",
        "what one dispose hook raises ends the check",
        ("tests/strategies/test_dispose.py::test_a_hook_that_raises_stops_no_other",),
    ),
    Mutant(
        "a loop for each coroutine",
        "run/performing.py",
        "        if self._loop is None:\n            self._loop",
        "        if True:\n            self._loop",
        "async hooks do not share one loop",
        ("tests/strategies/test_dispose.py::test_coroutines_run_on_one_loop_of_the_checks_own",),
    ),
    Mutant(
        "a worker's daemons live on",
        "isolation/worker.py",
        "        self._end_marked()\n        process.release()\n",
        "        process.release()\n",
        "what left the worker's session is not ended",
        ("tests/effects/test_orphans.py",),
    ),
    Mutant(
        "a crash is an exit",
        "isolation/worker.py",
        "    if status < 0:\n",
        "    if status < -99:\n",
        "the signal that ended a worker is not named",
        ("tests/isolation/test_worker.py::test_a_worker_that_does_not_finish_is_an_error[killed]",),
    ),
    Mutant(
        "the timeout ends nothing",
        "isolation/worker.py",
        "            if not _has_ended(process, self.left_s()):\n",
        "            if not _has_ended(process, self.left_s() + 1000):\n",
        "a worker that hangs is waited for",
        ("tests/isolation/test_worker.py::test_a_worker_that_does_not_finish_is_an_error[timeout]",),
    ),
    Mutant(
        "a fork keeps the server's pipes",
        "isolation/serving.py",
        "            os.close(requests)\n            os.close(replies)\n",
        "",
        "a forked worker has descriptors that a fresh interpreter has not",
        ("tests/isolation/test_forks.py::test_a_target_sees_what_a_fresh_interpreter_has",),
    ),
    Mutant(
        "a server is for ever",
        "isolation/server.py",
        " and self.conditions == inherited()",
        "",
        "a forked worker has the environment of an earlier moment",
        ("tests/isolation/test_forks.py::test_what_a_worker_inherits_is_that_of_now",),
    ),
    Mutant(
        "output from its beginning",
        "isolation/exchange.py",
        "self.output.seek(omitted)",
        "self.output.seek(0)",
        "of long output the end is lost",
        ("tests/isolation/test_worker.py::test_long_output_keeps_its_end",),
    ),
    Mutant(
        "errors pass",
        "integration/items.py",
        "        if report.outcome not in PASSING and fails(self.config):\n",
        '        if report.outcome == "leaking" and fails(self.config):\n',
        "a target that cannot be checked passes",
        (
            "tests/integration/test_plugin_items.py::test_without_isolation_an_exception_is_the_error_of_the_item",
            "tests/integration/test_plugin_items.py::test_the_exit_status_says_whether_something_leaks",
        ),
    ),
    Mutant(
        "inconclusive passes",
        "model.py",
        'PASSING: frozenset[Outcome] = frozenset({"clean", "known"})',
        'PASSING: frozenset[Outcome] = frozenset({"clean", "known", "inconclusive"})',
        "what could not be judged passes",
        ("tests/report/test_json.py::test_what_fails_a_check[inconclusive]",),
    ),
    Mutant(
        "items are not marked",
        "integration/items.py",
        '        item.add_marker("reloadable")\n',
        "",
        "`-m reloadable` does not choose target items",
        ("tests/integration/test_plugin_items.py::test_k_and_m_choose_items",),
    ),
    Mutant(
        "deselected-test-holds",
        "integration/own_modules.py",
        "set(vars(self._session).get(_RECORDED, ()))",
        "set()",
        "a test module that a plugin dropped, and whose name no pattern matches, is a holder",
        ("tests/integration/test_own_modules.py::test_a_deselected_test_module_is_no_holder",),
    ),
    Mutant(
        "helper-is-a-target",
        "integration/own_modules.py",
        "return self.tests() | self.helpers()",
        "return self.tests()",
        "a module that only the tests import is checked like the project's own",
        ("tests/integration/test_own_modules.py::test_a_helper_of_the_tests_is_told_apart",),
    ),
    Mutant(
        "leaked-once-is-forgotten",
        "run/leaked_before.py",
        "if objects:",
        "if not objects:",
        "a bounded leak passes on a rerun and in the second test of its target",
        ("tests/integration/test_leaked_before.py",),
    ),
    Mutant(
        "a test's bindings stay",
        "integration/bindings.py",
        "        self._namespace.update(self._original)\n",
        "",
        "forgotten restore: later tests of the file see the last generation",
        (
            "tests/integration/test_plugin_marked.py::test_bindings_of_the_test_module_are_refreshed_and_put_back",
        ),
    ),
    Mutant(
        "a field is lost",
        "report/jsonfile.py",
        "for name in fields}",
        'for name in fields if name != "also_retains"}',
        "the report does not say what an effect keeps alive",
        ("tests/report/test_json.py::test_a_report_survives_the_way_through_json",),
    ),
    Mutant(
        "runs of generations are too long",
        "report/terminal.py",
        "        if runs and number == runs[-1][-1] + 1:\n",
        "        if runs and number <= runs[-1][-1] + 2:\n",
        "off by one: a generation that is gone is reported as alive",
        ("tests/report/test_terminal.py",),
    ),
    Mutant(
        "kilobytes of a thousand",
        "report/terminal.py",
        "        size /= 1024\n",
        "        size /= 1000\n",
        "sizes have the wrong unit",
        ("tests/report/test_terminal.py",),
    ),
)

GROWTH = (
    Mutant(
        "one round that grew is enough",
        "effects/system/meter.py",
        "steps.count(0) > _SPARED",
        "not any(steps)",
        "what grew once and then no more counts as growth",
        (
            "tests/holders/test_growth.py::test_all_rounds_must_leave_objects_but_one",
            "tests/holders/test_growth.py::test_a_plateau_is_no_growth",
        ),
    ),
    Mutant(
        "a host's own note is the target's",
        "holders/container_growth.py",
        "is_targets=share[0] >= self._watched_rounds if share is not None else None,",
        "is_targets=sum(share) >= self._watched_rounds if share is not None else None,",
        "a host that records each reload by itself is held against the target",
        ("tests/growth/test_growth_by_one.py::test_what_the_host_notes_by_itself_is_no_leak",),
    ),
    Mutant(
        "the modules around the target are not counted",
        "effects/system/meter.py",
        "references=_in_all(steps([s.references for s in samples])),",
        "references=0,",
        "a text more in a table of a host's passes",
        growing_by_one("constant-reload", "cache-reload"),
    ),
    Mutant(
        "names that others make are the target's",
        "growth/makers.py",
        "            if more and is_inside:\n",
        "            if more:\n",
        "a host that makes a file for each reload is held against the target",
        ("tests/growth/test_left_files.py::test_what_the_host_makes_at_each_reload_is_its_own",),
    ),
    Mutant(
        "what is removed in time counts",
        "growth/makers.py",
        "if len(paths) > gone:",
        "if paths:",
        "a pool of fixed size is a leak",
        ("tests/growth/test_left_files.py::test_a_pool_of_fixed_size_is_clean",),
    ),
    Mutant(
        "mappings are not asked for",
        "effects/system/meter.py",
        "mapped_bytes=least([s.mapped_bytes for s in samples], _MAPPED_FLOOR_BYTES // 2),",
        "mapped_bytes=0,",
        "memory that malloc does not know passes",
        growing_by_one("mapping of C code-reload"),
    ),
    Mutant(
        "allocations that stay are not asked for",
        "growth/survivors.py",
        "return all(a < b for a, b in pairwise(numbers))",
        "return False",
        "a chain of texts has no finding",
        growing_by_one("chain of texts-reload"),
    ),
    Mutant(
        "no note is small",
        "verdict/growth.py",
        "_RECORDS = 50\n",
        "_RECORDS = 1\n",
        "where the check cannot see which code fills a container, a host that notes each reload is a leak",
        ("tests/growth/test_growth_verdict.py",),
    ),
    Mutant(
        "a container explains everything",
        "run/observations.py",
        "return is_found and seen.grown.objects - seen.explained < UNEXPLAINED",
        "return is_found",
        "growth without a holder is taken for the items of a container",
        ("tests/holders/test_growth.py::test_a_container_explains_what_it_has_and_no_more",),
    ),
    Mutant(
        "what a container has is not counted",
        "run/observations.py",
        "return is_found and seen.grown.objects - seen.explained < UNEXPLAINED",
        "return not is_found",
        "the items of a container are reported a second time, as growth without a holder",
        ("tests/growth/test_growth_by_one.py::test_an_item_that_another_line_makes_is_one_leak",),
    ),
    Mutant(
        "what several containers have belongs to none",
        "holders/sizes.py",
        "_ONE_OWNER + 1 + 2 * (places[id(o)] - 1)",
        "_ONE_OWNER + 1",
        "a small entry in several containers of a host is reported as growth without a holder",
        ("tests/holders/test_sizes.py::test_an_item_in_several_containers_is_theirs_together",),
    ),
    Mutant(
        "blocks are not counted",
        "effects/system/meter.py",
        "blocks=least([s.blocks for s in samples], blocks_floor),",
        "blocks=0,",
        "text that piles up is not reported",
        growing("dict of text-reload"),
    ),
    Mutant(
        "malloc is not asked",
        "effects/system/meter.py",
        "native_bytes=least([s.native_bytes for s in samples], native_floor_bytes // 2),",
        "native_bytes=0,",
        "memory of C code is not reported",
        ("tests/holders/test_growth.py::test_memory_of_c_code_is_found_by_what_malloc_gave_out",),
    ),
    Mutant(
        "no container has a bound",
        "verdict/growth.py",
        "open_ones = [a for a in merged if a.bound is None and not a.is_emptied_later]",
        "open_ones = merged",
        "a cache that fills up is a leak",
        ("tests/holders/test_growth.py::test_what_has_a_bound_is_a_note_that_says_it",),
    ),
    Mutant(
        "what other threads add is the target's",
        "verdict/growth.py",
        "return a.is_targets and (seen.is_alone or a.is_only_targets)",
        "return a.is_targets",
        "a busy thread's list is held against the target",
        ("tests/growth/test_growth_by_one.py::test_what_another_thread_adds_meanwhile_is_not_the_targets",),
    ),
    Mutant(
        "a container that shrank still counts",
        "holders/container_growth.py",
        "if length > known[id(o)]",
        "if length >= 0",
        "a list that did not grow is reported as the one that did",
        ("tests/holders/test_growth.py::test_only_what_each_round_left_longer_is_told",),
    ),
    Mutant(
        "traced rounds count as one",
        "holders/container_growth.py",
        "self._rounds += rounds",
        "self._rounds += 1",
        "more items are reported than a round adds",
        growing("attribute-reload", "dict, new keys-reload"),
    ),
    Mutant(
        "only lists are looked at",
        "holders/container_growth.py",
        "return next((kind for base in foreign.mro(cls) for kind in _KINDS if kind.base is base), None)",
        "return next((kind for kind in _KINDS if cls is list and kind.base is cls), None)",
        "a dict or deque that grows has no name",
        growing("attribute-reload", "dict, new keys-reload"),
    ),
    Mutant(
        "a pattern matches anywhere",
        "verdict/known.py",
        'fnmatchcase(where, pattern.replace("[", "[[]"))',
        'fnmatchcase(where, "*" + pattern.replace("[", "[[]") + "*")',
        "a known reference covers what begins like it",
        ("tests/verdict/test_known.py::test_a_pattern_is_the_path_as_it_is_printed",),
    ),
    Mutant(
        "known references of all versions",
        "verdict/known.py",
        "return self.since <= sys.version_info[:2] <= self.until",
        "return True",
        "what another version of Python keeps is excused here",
        ("tests/verdict/test_known.py",),
    ),
    Mutant(
        "any bound makes a cache known",
        "heap/references.py",
        "return size if type(size) is int else None",
        "return size if type(size) is int else 1",
        "a library's cache without a bound is no leak",
        ("tests/verdict/test_known.py",),
    ),
    Mutant(
        "the order of what a C type holds",
        "heap/c_references.py",
        "at = min(at + 1, len(parts) - 1)",
        "at = len(parts) - 1",
        "what a C type holds has the name of another part",
        ("tests/heap/test_c_references.py::test_the_name_of_what_is_held",),
    ),
    Mutant(
        "a known type in C is not named",
        "holders/native.py",
        '    if at is None or kind != "native":\n',
        '    if at is None or kind == "native":\n',
        "the report on what C code holds does not name the library",
        ("tests/holders/test_native.py::test_the_type_of_what_c_code_holds_is_named",),
    ),
    Mutant(
        "what C code calls is not looked for",
        "heap/unseen_references.py",
        "ours > numbers[id(found[at])]",
        "ours > numbers[id(found[at])] + 1",
        "a bound method that C code holds is reported as a namespace",
        (
            "tests/holders/test_native.py::test_what_c_code_holds_is_named_although_the_namespace_leads_to_it_too",
        ),
    ),
    Mutant(
        "the canary's leak need not be found",
        "isolation/canaries.py",
        "if _PATH not in paths:",
        "if not paths:",
        "an environment that hides holders is not noticed",
        ("tests/isolation/test_canaries.py",),
    ),
    Mutant(
        "the clean canary may be held",
        "isolation/canaries.py",
        "(path for path in paths if path != _PATH)",
        "(path for path in paths if not path)",
        "an environment that keeps what runs is not noticed",
        ("tests/isolation/test_canaries.py",),
    ),
    Mutant(
        "the finder stays",
        "strategies/imports/finder.py",
        "            if other is finder:\n",
        "            if other is None:\n",
        "what a check put in front of the finders stays there",
        ("tests/isolation/test_canaries.py",),
    ),
)

PATHS = (
    Mutant(
        "the target's own names first",
        "holders/search.py",
        "    return Sweep(groups, sinks, skip, {3: withheld})\n",
        "    return Sweep([groups[3], *groups[:3], *groups[4:]], sinks, skip)\n",
        "a holder is named by a name that the target has for it",
        ("tests/holders/test_homes.py::test_what_the_target_imports_is_at_home_elsewhere",),
    ),
    Mutant(
        "guests are at home",
        "holders/homes.py",
        "        return 0 if not is_taken else 1 if name in self.made else _GUEST\n",
        "        return 0\n",
        "a list is named by a module that imported it",
        ("tests/holders/test_homes.py::test_signature_and_holder_do_not_depend_on_who_imports",),
    ),
    Mutant(
        "no deeper home",
        "holders/homes.py",
        "            if deeper is not None:\n",
        "            if deeper is None:\n",
        "a name for a part of the host is taken for its home",
        ("tests/holders/test_homes.py::test_a_name_for_a_part_of_the_host_is_a_guest",),
    ),
    Mutant(
        "every number is left open",
        "holders/grouping.py",
        'return "".join(same[0] if len(set(same)) == 1 else "*" for same in parts)',
        'return "".join("*" if same[0].isdigit() else same[0] for same in parts)',
        "a constant number in a name is reported as one that differs",
        ("tests/holders/test_grouping.py::test_only_the_number_that_differs_is_left_open",),
    ),
    Mutant(
        "numbers are never joined",
        "holders/grouping.py",
        "        if len(single) < 2 or len(generations) < 2:\n",
        "        if single or not single:\n",
        "each generation is a finding of its own",
        ("tests/holders/test_grouping.py::test_only_the_number_that_differs_is_left_open",),
    ),
    Mutant(
        "chains are not folded",
        "holders/grouping.py",
        "            if count > 1 and count * size > best[0]:\n",
        "            if count > 99 and count * size > best[0]:\n",
        "each link of a chain is a finding of its own",
        ("tests/holders/test_grouping.py::test_a_chain_is_one_finding",),
    ),
    Mutant(
        "two containers are a chain",
        "holders/grouping.py",
        "_LENGTHS = 3\n",
        "_LENGTHS = 0\n",
        "two holders, one within the other, are reported as one",
        ("tests/holders/test_grouping.py::test_containers_within_each_other_are_no_chain",),
    ),
    Mutant(
        "parts of one object are several causes",
        "holders/grouping.py",
        "        if len(alike) < 2 or edge is None:\n",
        "        if alike:\n",
        "a route is reported once for each of its attributes",
        ("tests/holders/test_grouping.py::test_parts_of_one_object_are_one_finding",),
    ),
    Mutant(
        "one way is enough",
        "holders/diagnosis.py",
        "        self._follow_other_ways()\n",
        "",
        "of two tables that hold an object one is reported, as the only one",
        ("tests/holders/test_grouping.py::test_an_object_in_two_tables_has_two_holders",),
    ),
)

EXACT = (
    Mutant(
        "what was there before is a generation",
        "strategies/imports/earlier.py",
        "if unit is not None and any(",
        "if unit is None and any(",
        "what another application left counts against the target",
        ("tests/run/test_earlier.py",),
    ),
    Mutant(
        "what is handed out again was executed",
        "generations/handed_out.py",
        "        return is_code or not self._is_in_place\n",
        "        return False\n",
        "a finder that keeps a module has it called leaking",
        ("tests/strategies/test_handed_out.py",),
    ),
    Mutant(
        "kept code dates functions",
        "generations/ledger.py",
        "        is_reused = is_in(self._reused, function.__code__)\n",
        "        is_reused = False\n",
        "the leak of a module whose loader keeps the code is missed",
        ("tests/strategies/test_handed_out.py",),
    ),
    Mutant(
        "a name leads to no module",
        "strategies/imports/definitions.py",
        "    return _in_loaded(module, path) or _in_source(module, path, find, most)\n",
        "    return _in_loaded(module, path)\n",
        "the module of a class is offered only if it is loaded",
        ("tests/strategies/test_targets.py",),
    ),
    Mutant(
        "a refused glob ends the run",
        "strategies/imports/targets.py",
        "    if refused and not found:\n",
        "    if refused:\n",
        "targets beside a glob that matches only what is refused are not checked",
        ("tests/strategies/test_targets.py",),
    ),
    Mutant(
        "the first generation is not exercised",
        "run/performing.py",
        "            if calls and unused is not None:\n                unused()\n",
        "            if calls and unused is None:\n                pass\n",
        "a strict hook has nothing to undo in the first generation",
        ("tests/strategies/test_dispose_again.py",),
    ),
    Mutant(
        "an empty dict ends the check",
        "heap/foreign.py",
        "            except AttributeError:  # no dict yet",
        "            except KeyError:  # no dict yet",
        "an empty dict of attributes is reported as one that could not be read",
        ("tests/heap/test_unreadable.py",),
    ),
    Mutant(
        "tasks of the original",
        "effects/own_hold.py",
        "any(id(value) in kept.ids for value in effect.values[:1])",
        "any(id(value) in () for value in effect.values[:1])",
        "a task of the original generation that nothing can wake is reported",
        ("tests/effects/test_own_hold.py::test_a_task_that_nobody_can_wake_is_collected",),
    ),
    Mutant(
        "finalizers of the original",
        "effects/own_hold.py",
        "any(id(o) in kept.alone for o in effect.watches)",
        "any(id(o) in () for o in effect.watches)",
        "a finalizer of the original generation, which the check keeps, is reported",
        ("tests/effects/test_own_hold.py::test_what_ends_when_its_owner_dies_ends_with_the_original",),
    ),
    Mutant(
        "threads that watch an owner",
        "effects/own_hold.py",
        "or any(id(o) in kept.alone for o in _watched(parts))",
        "or any(id(o) in () for o in _watched(parts))",
        "a thread that ends with the original is reported",
        ("tests/effects/test_own_hold.py::test_what_ends_when_its_owner_dies_ends_with_the_original",),
    ),
    Mutant(
        "every thread that watches an owner ends",
        "effects/own_hold.py",
        "any(id(o) in kept.alone for o in _watched(parts))",
        "any(True for o in _watched(parts))",
        "a thread that waits for an owner that a host keeps is missed",
        ("tests/effects/test_own_hold.py::test_what_waits_for_an_owner_that_lives_on_is_found",),
    ),
    Mutant(
        "an entry with a callback stays",
        "heap/weak_entries.py",
        "_refers_to(o, ours) and _callback(o) is not None for o",
        "_refers_to(o, ours) and _callback(o) is None for o",
        "an entry that ends with the original is reported",
        ("tests/effects/test_own_hold.py::test_what_ends_when_its_owner_dies_ends_with_the_original",),
    ),
    Mutant(
        "each effect for itself",
        "effects/host_objects.py",
        "return bool(members) and all(mark and mark <= holder.owns for mark in members)",
        "return False",
        "a thread of a host's object and the generation that it holds are two findings",
        ("tests/effects/test_host_objects.py::test_a_host_object_with_effects_is_one_finding",),
    ),
    Mutant(
        "a common parent owns all",
        "holders/results/ownership.py",
        "if len(depths) == 1 or depths[0] < depths[1]:",
        "if len(depths) == 1:",
        "where objects know each other, no thread belongs to one of them",
        ("tests/effects/test_host_objects.py::test_a_host_object_with_effects_is_one_finding",),
    ),
    Mutant(
        "what was entered is a root",
        "holders/sweep.py",
        "if id(root.value) in wanted and id(root.value) not in self._before:",
        "if id(root.value) in wanted:",
        "the original's object of the host is a second holder under a wrong name",
        ("tests/effects/test_host_objects.py::test_a_host_object_with_effects_is_one_finding",),
    ),
    Mutant(
        "the original's threads apart",
        "effects/observe.py",
        "if member.effect.cause == group.cause]",
        "if member is group]",
        "the thread from before the check is a finding of its own",
        ("tests/effects/test_host_objects.py::test_a_host_object_with_effects_is_one_finding",),
    ),
    Mutant(
        "no turn between rounds",
        "run/performing.py",
        "                    await pause(0)\n",
        "                    pass\n",
        "tasks of several generations begin together and wait for the newest one",
        ("tests/effects/test_own_hold.py::test_what_only_the_original_has_ends_with_it",),
    ),
)

GATE = (
    Mutant(
        "an error becomes known",
        "gate/verdicts.py",
        '        if report.outcome in {"error", "inconclusive"}:  #',
        '        if report.outcome == "nothing":  #',
        "a check that could not judge passes if its findings are accepted",
        ("tests/gate/test_verdicts.py",),
    ),
    Mutant(
        "one accepted finding is enough",
        "gate/verdicts.py",
        "any(finding.known is None for",
        "all(finding.known is None for",
        "a new leak beside a known one passes",
        ("tests/gate/test_verdicts.py",),
    ),
    Mutant(
        "what was not checked is fixed",
        "gate/baseline.py",
        "if entry.target in judged)",
        "if entry.target)",
        "a run of a part of the project calls the rest of the baseline fixed",
        ("tests/gate/test_baseline.py", "tests/integration/test_gate.py"),
    ),
    Mutant(
        "a fork answers",
        "isolation/inside.py",
        "    _end_fork_of(process)\n    status",
        "    status",
        "a fork of the worker writes an answer",
        ("tests/isolation/test_robust.py::test_a_fork_of_the_worker_has_no_say",),
    ),
    Mutant(
        "the worker is not tethered",
        "isolation/tether.py",
        "flags | os.O_ASYNC",
        "flags",
        "a worker goes on after its parent was killed",
        ("tests/isolation/test_robust.py::test_a_worker_ends_with_its_parent",),
    ),
    Mutant(
        "an interrupted run is complete",
        "integration/reporting/reports.py",
        "self._items.keys() <= self._done",
        "bool(self._items)",
        "a gate that reads the report takes what was not checked for clean",
        ("tests/integration/test_gate.py::test_an_interrupted_run_says_that_it_is_incomplete",),
    ),
    Mutant(
        "an audit shows one finding of a target",
        "integration/reporting/repeated.py",
        'self._shown.setdefault((check["target"], leaks), check["strategy"])',
        'self._shown.setdefault((check["target"], frozenset()), check["strategy"])',
        "the audit says that a strategy leaks as another one does, and hides what only it leaks",
        ("tests/integration/test_repeated.py",),
    ),
)

LINES = (
    Mutant(
        "no look at a return",
        "watchpoints/observer.py",
        "        self._look(ident, value)\n",
        "        del value\n",
        "what the last line of a function makes is charged to the line that called it",
        line("two lines"),
    ),
    Mutant(
        "any new item is the leak",
        "watchpoints/watchpoints.py",
        "if birth.likeness in likenesses]",
        "if likenesses]",
        "whatever the same list takes is reported as a line too",
        line("an item among others of the same list"),
    ),
    Mutant(
        "what is closed again counts",
        "watchpoints/births.py",
        "if token not in present]:",
        "if not present]:",
        "a file that was opened and closed is reported as a line",
        line("a descriptor among others that are closed"),
    ),
    Mutant(
        "a daemon is charged to who waits for its parent",
        "watchpoints/in_worker.py",
        "        elif is_own or tuple(identity) not in births:\n",
        "        elif not is_own and tuple(identity) not in births:\n",
        "the line of a worker that forks a daemon is not named, but the one that waits",
        ("tests/strategies/test_strategy_worker.py::test_the_line_in_the_worker_is_named[daemon]",),
    ),
    Mutant(
        "a displaced tracer is not called",
        "watchpoints/tracing.py",
        "if frame.f_trace is None or _displaced is None:",
        "if frame.f_trace is None or _displaced is not None:",
        "coverage on 3.10 and 3.11 sees returns without calls, and stops",
        ("tests/watchpoints/test_traced_round.py::test_a_tracer_that_counts_calls_stays_in_balance",),
    ),
    Mutant(
        "a constant binds an old object",
        "watchpoints/once.py",
        "return targets, None if isinstance(value, ast.Constant) else value",
        "return targets, value",
        "the `handler = None` of a host is named, and not who sets it",
        leaks("attribute of a foreign module-reimport"),
    ),
)

CUTTING = (
    Mutant(
        "always left to the first",
        "cutting/stages.py",
        "choices[turns.get(key, 0) % len(choices)]",
        "choices[0]",
        "of several holders one is never removed alone, so nothing shows that the others must go",
        ("tests/cutting/test_stages.py",),
    ),
    Mutant(
        "what is left is proven",
        "cutting/proof.py",
        "return self.freed == self.keeps",
        "return True",
        "a finding is proven although something old is alive",
        ("tests/cutting/test_proof.py::test_the_text_says_what_was_seen",),
    ),
    Mutant(
        "a shared reference is removed",
        "cutting/paths.py",
        "if self._users[id(path[at - 1]), id(path[at])] > 1:",
        "if self._users[id(path[at - 1]), id(path[at])] > 2:",
        "an object in two tables is emptied, which says nothing about either",
        (
            "tests/cutting/test_proof.py::test_the_position_in_the_trace_is_that_of_the_reference_that_was_removed",
        ),
    ),
)

MUTANTS = (
    *LINES,
    *PATHS,
    *EXACT,
    *HEAP,
    *EFFECTS,
    *STRATEGIES,
    *JUDGEMENT,
    *RUNNING,
    *GROWTH,
    *GATE,
    *CUTTING,
)
