"""Name the twins for which a report can print no cure, with the reason."""

WITHOUT = {
    "local of a running thread": "the thread's code has to let go of its own local",
    "chain of map objects": "nothing reads what an object of map goes over",
    "context variable": "reset() needs the token that set() returned",
    "context variable of the target": "reset() needs the token that set() returned",
    "context variable with a plain value": "reset() needs the token that set() returned",
    "default of a context variable that is set": "reset() needs the token that set() returned",
    "os.register_at_fork": "a fork hook cannot be unregistered",
    "fork hooks": "a fork hook cannot be unregistered",
    "fork hook of the host's, through a name that the host imported": "a fork hook cannot be unregistered",
    "audit hook": "an audit hook cannot be removed",
    "audit hook of the host's": "an audit hook cannot be removed",
    "search function that has no weak references": "nothing lists it: the target must keep it under a name",
    "signal of faulthandler, with a file of an own class": "each generation takes another signal",
    "signal of faulthandler, with the host's file": "each generation takes another signal",
    "timer that was cancelled and is kept": "who keeps the handle has to drop it",
    "future with a callback": "the host keeps the future itself",
    "suspended async generator": "aclose() needs the loop that runs it",
    "run_in_executor": "the thread waits for an event of its host's",
    "names of loggers": "logging never removes a name",
    "error handler": "the name of an error handler stays registered",
}
"""Twins that no code of a hook can cure, with the reason."""
