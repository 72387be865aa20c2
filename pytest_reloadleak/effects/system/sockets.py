"""Describe what a socket is bound to and connected with."""

from __future__ import annotations

import socket
from typing import Any

from pytest_reloadleak.effects.spelling import Description, Spelled, numbered

_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
_DYNAMIC = (32768, 65535)
"""The usual ports for sockets that ask for none in particular, if this system does not list its own."""

_open = open


def addresses() -> dict[int, Description]:
    """Describe the sockets of this process, by descriptor."""
    import psutil

    try:
        found = psutil.Process().net_connections(kind="all")
    except Exception:  # noqa: BLE001 - access is denied, or the target patched what psutil calls
        return {}
    dynamic = dynamic_ports()
    return {one.fd: described(one, dynamic) for one in found}


def of_family(family: int | None) -> Description:
    """Describe a socket that is not bound, or of a kind that the system does not list."""
    named = socket.AF_INET, socket.AF_INET6, None
    name = "socket" if family in named else f"socket of {_family_name(family)}"
    return Description("socket", Spelled(name, name), name)


def _family_name(family: int | None) -> str:
    return next((known.name for known in socket.AddressFamily if known.value == family), f"family {family}")


def described(one: Any, dynamic: range = range(0)) -> Description:
    """Describe a connection of `psutil`'s. `dynamic` are the ports that the system chooses from."""
    state = f" {one.status}" if one.status != "NONE" else ""
    if one.family not in {socket.AF_INET, socket.AF_INET6}:
        name = f"unix socket {one.laddr or one.raddr}".rstrip()
        return Description("unix socket", numbered(name), name + state)
    kind = word = "socket" if one.type == socket.SOCK_STREAM else "UDP socket"
    here, there = _ends(one.laddr), _ends(one.raddr)
    detail = f"{word} {here}{f' to {there}' if there else ''}{state}".replace("  ", " ")
    if there:  # the system chose the port of the end that called, whichever it was
        exact, opened = (f"{_ends(one.laddr, d)} to {_ends(one.raddr, d)}" for d in (dynamic, range(65536)))
        return Description(kind, Spelled(f"{word} {exact}", f"{word} {opened}"), detail)
    word += " listening on" if one.status == "LISTEN" else ""
    if not here:
        return Description(kind, Spelled(word, word), detail)
    opened = _ends(one.laddr, range(65536))
    return Description(kind, Spelled(f"{word} {here}", f"{word} {opened}", one.laddr.port in dynamic), detail)


def _ends(address: Any, hidden: range = range(0)) -> str:
    """An address, with `*` for a port in `hidden`; '' for none."""
    if not address:
        return ""
    host = f"[{address.ip}]" if ":" in address.ip else address.ip
    return f"{host}:{'*' if address.port in hidden else address.port}"


def dynamic_ports() -> range:
    """The ports that the system gives to sockets that ask for none in particular."""
    try:
        with _open(_RANGE, encoding="ascii") as file:
            first, last = map(int, file.read().split())
    except (OSError, ValueError):
        first, last = _DYNAMIC
    return range(first, last + 1)
