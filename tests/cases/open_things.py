"""What a reload may leave open or running outside of Python: descriptors and child processes, as twins.

The leaking target hands what it opened to the host, which keeps it until the test is over; the cured one tells the host
to close first what the generation before had opened.
"""

from dataclasses import dataclass
from textwrap import dedent

BOTH = ("reimport", "reload")
ROUNDS = 3

HOST = """\
import os

numbers = []
objects = []
seen = []

def opened(*new):
    for o in new:
        (numbers if type(o) is int else objects).append(o)
    return new[0]

def replaced(*new):
    stop()
    return opened(*new)

def stop():
    for number in numbers:
        os.close(number)
    for o in objects:
        (o.close if hasattr(o, "close") else o.end)()
    numbers.clear()
    objects.clear()

class Child:
    def __init__(self, child):
        self.child = child

    def end(self):
        self.child.kill()
        (self.child.wait if hasattr(self.child, "wait") else self.child.join)()
        for name in ("stdout", "stderr"):
            pipe = getattr(self.child, name, None)
            if pipe is not None:
                pipe.close()
"""


@dataclass(frozen=True, kw_only=True)
class Twins:
    """A target that leaves something open, and its cured twin.

    Attributes:
        name: the case.
        source: the target, with `KEEP` for what it tells the host.
        path: the finding's `holder.path`; `FILE` stands for the target's own file.
        type: `holder.type`.
        kind: kind of the finding.
        per_round: how much each reload leaves.
        held: `held.name`; the target as a whole where nothing tells whose the thing is.
        detail: the beginning of the first line of details, after the number.
        own_process: whether it cannot be undone.
        needs: attribute of `os` or `socket` without which the system has no such thing.
    """

    name: str
    source: str
    path: str
    type: str
    kind: str = "open-fd"
    per_round: float = 1.0
    held: str = "plugin"
    detail: str = ""
    own_process: bool = False
    needs: str = ""

    def target(self, verb: str) -> str:
        """The target's source with `host.opened` or `host.replaced`."""
        return f"import host\n{dedent(self.source)}".replace("KEEP", f"host.{verb}")

    @property
    def leaking(self) -> str:
        """The leaking twin."""
        return self.target("opened")

    @property
    def cured(self) -> str:
        """The cured twin."""
        return self.target("replaced")


DESCRIPTORS = (
    Twins(
        name="file",
        source="""
            import os
            fd = KEEP(os.open(__file__, os.O_RDONLY))
        """,
        path="fd * file FILE",
        type="file",
        detail="file ",
    ),
    Twins(
        name="the same file twenty times",
        source="""
            KEEP(*[open(__file__) for _ in range(20)])
        """,
        path="fd * file FILE",
        type="file",
        per_round=20.0,
    ),
    Twins(
        name="directory",
        source="""
            import os
            KEEP(os.open('/', os.O_RDONLY))
        """,
        path="fd * directory /",
        type="directory",
    ),
    Twins(
        name="deleted file",
        source="""
            import os
            with open(__file__ + '.gone', 'w') as file:
                KEEP(os.dup(file.fileno()))  # leak here
            os.unlink(file.name)
        """,
        path="fd * deleted file FILE.gone",
        type="deleted file",
    ),
    Twins(
        name="pipe",
        source="""
            import os
            KEEP(*os.pipe())
        """,
        path="fd * pipe",
        type="pipe",
        per_round=2.0,
        detail="pipe",
    ),
    Twins(
        name="listening socket that the host keeps",
        source="""
            import socket
            KEEP(socket.create_server(('127.0.0.1', 0)))
        """,
        path="fd * socket listening on 127.0.0.1:*",
        type="socket",
        detail="socket 127.0.0.1:",
    ),
    Twins(
        name="connection",
        source="""
            import socket
            with socket.create_server(('127.0.0.1', 0)) as server:
                client = socket.create_connection(server.getsockname())  # leak here
                KEEP(client, server.accept()[0])
        """,
        path="fd * socket 127.0.0.1:* to 127.0.0.1:*",
        type="socket",
        per_round=2.0,
        detail="socket 127.0.0.1:",
    ),
    Twins(
        name="UDP socket",
        source="""
            import socket
            KEEP(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind(('127.0.0.1', 0))
        """,
        path="fd * UDP socket 127.0.0.1:*",
        type="UDP socket",
    ),
    Twins(
        name="pair of sockets",
        source="""
            import socket
            KEEP(*socket.socketpair())
        """,
        path="fd * unix socket",
        type="unix socket",
        per_round=2.0,
    ),
    Twins(
        name="socket of the target's own class",
        source="""
            import socket
            class Socket(socket.socket):
                def fileno(self):
                    raise RuntimeError('the tool called fileno')

            KEEP(Socket()).bind(('127.0.0.1', 0))
        """,
        path="fd * socket",
        type="socket",
        held="plugin.Socket",
    ),
    Twins(
        name="epoll",
        source="""
            import select
            KEEP(select.epoll())
        """,
        path="fd * eventpoll",
        type="eventpoll",
    ),
    Twins(
        name="event loop",
        source="""
            import asyncio
            KEEP(asyncio.new_event_loop())
        """,
        path="fd * asyncio event loop",
        type="asyncio event loop",
        per_round=3.0,
    ),
    Twins(
        name="eventfd",
        source="""
            import os
            KEEP(os.eventfd(0))
        """,
        path="fd * eventfd",
        type="eventfd",
        needs="eventfd",
    ),
    Twins(
        name="memfd",
        source="""
            import os
            KEEP(os.memfd_create('buffer'))
        """,
        path="fd * memfd buffer",
        type="memfd",
        needs="memfd_create",
    ),
    Twins(
        name="inotify",
        source="""
            import ctypes
            KEEP(ctypes.CDLL(None).inotify_init())
        """,
        path="fd * inotify",
        type="inotify",
    ),
    Twins(
        name="pseudo-terminal",
        source="""
            import os
            KEEP(*os.openpty())
        """,
        path="fd * pty",
        type="pty",
        per_round=2.0,
        detail="pty /dev/",
    ),
)

CHILDREN = (
    Twins(
        name="child that runs, with a pipe",
        source="""
            import subprocess
            popen = subprocess.Popen(['sleep', '60'], stdout=subprocess.PIPE)  # leak here
            KEEP(host.Child(popen))
        """,
        path="child process 'sleep 60'",
        type="subprocess.Popen",
        kind="child-process",
        detail="sleeping, sleep 60",
    ),
    Twins(
        name="zombie",
        source="""
            import os, subprocess
            popen = subprocess.Popen(['true'])  # leak here
            os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)
            KEEP(host.Child(popen))
        """,
        path="zombie child process 'true'",
        type="subprocess.Popen",
        kind="child-process",
        detail="zombie, true",
    ),
    Twins(
        name="child of the target's own class",
        source="""
            import subprocess
            class Popen(subprocess.Popen):
                pass

            KEEP(host.Child(Popen(['sleep', '60'])))
        """,
        path="child process 'sleep 60'",
        type="plugin.Popen",
        kind="child-process",
        held="plugin.Popen",
    ),
    Twins(
        name="process of multiprocessing, forked",
        source="""
            import multiprocessing, time
            process = multiprocessing.get_context('fork').Process(target=time.sleep, args=(60,), daemon=True)
            process.start()  # leak here
            KEEP(host.Child(process))
        """,
        path="child process 'ForkProcess-*'",
        type="multiprocessing.context.ForkProcess",
        kind="child-process",
        own_process=True,
    ),
)

TWINS = (*DESCRIPTORS, *CHILDREN)

INNOCENTS = {
    "opened by the first generation only": """
        import os
        import host
        if not host.seen:
            host.opened(os.open('/dev/urandom', os.O_RDONLY), *os.pipe())
        host.seen.append(True)
    """,
    "opened in one round": """
        import os
        import host
        host.seen.append(True)
        if len(host.seen) == 4:
            host.opened(*(os.open(__file__, os.O_RDONLY) for _ in range(5)))
    """,
    "a file that the collector closes": """
        file = open(__file__)
        itself = [file]
        itself.append(itself)
    """,
    "a file that is opened and closed": """
        with open(__file__) as file:
            file.read()
    """,
    "a child that is waited for": """
        import subprocess
        subprocess.run(['true'], check=True)
    """,
    "a child that the first generation starts": """
        import subprocess
        import host
        if not host.seen:
            host.opened(host.Child(subprocess.Popen(['sleep', '60'])))
        host.seen.append(True)
    """,
}
"""Targets that leave nothing, or one descriptor or process once."""
