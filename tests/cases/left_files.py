"""What a target leaves on the machine under a new name: what each reload does, and what the cured twin does."""

HOST = """\
import itertools, multiprocessing, os, shutil, socket, tempfile, uuid
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

count = itertools.count(10)
last, kept, segments = [], [], []
spawn = multiprocessing.get_context("spawn")

def folder():
    return tempfile.gettempdir()

def place(name):
    return os.path.join(folder(), name)

def fresh(form):
    return place(form.format(next(count)))

def segment(**named):
    memory = SharedMemory(create=True, size=8, **named)
    resource_tracker.unregister(memory._name, "shared_memory")
    memory.close()
    segments.append(memory.name)
    return memory.name

def replaced(name, remove):
    for old in last:
        remove(old)
    last[:] = [name]

def unlink_segment(name):
    os.unlink(f"/dev/shm/{name}")
    segments.remove(name)

def bound(name):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(name)
    return name

def temporary(**named):
    number, name = tempfile.mkstemp(**named)
    os.close(number)
    return name

def stop():
    for name in segments:
        os.unlink(f"/dev/shm/{name}")
    for o in kept:
        getattr(o, "cleanup", getattr(o, "close", int))()
    kept.clear(), segments.clear()
"""

TWINS = {
    # what each reload leaves; what the cured twin does; registry; `holder.path`, with TMP for the folder
    "segment": ("host.segment()", "host.replaced(host.segment(), host.unlink_segment)",
                "shared_memory", "segment psm_*"),
    "segment, numbered": ("host.segment(name=f'reloadleak-{os.getpid()}-{next(host.count)}')",
                          "host.replaced(host.segment(), host.unlink_segment)",
                          "shared_memory", "segment reloadleak-*-*"),
    "semaphore": ("host.kept.append(host.spawn.Semaphore())", "host.kept[:] = [host.spawn.Semaphore()]",
                  "semaphores", "semaphore sem.mp-*"),
    "file": ("host.temporary()", "host.replaced(host.temporary(), os.unlink)", "tempfile", "file TMP/tmp*"),
    "named file": ("host.temporary(prefix='job-', suffix='.lock')",
                   "host.replaced(host.temporary(prefix='job-', suffix='.lock'), os.unlink)",
                   "tempfile", "file TMP/job-*.lock"),
    "NamedTemporaryFile": ("tempfile.NamedTemporaryFile(delete=False).close()",
                           "tempfile.NamedTemporaryFile().close()", "tempfile", "file TMP/tmp*"),
    "directory": ("tempfile.mkdtemp()", "host.replaced(tempfile.mkdtemp(), os.rmdir)",
                  "tempfile", "directory TMP/tmp*"),
    "pid file": ("Path(host.fresh('app-{}.pid')).write_text('1')", "Path(host.place('app.pid')).write_text('1')",
                 "tempfile", "file TMP/app-*.pid"),
    "lock directory": ("Path(host.fresh('lock{}.d')).mkdir()", "Path(host.place('lock.d')).mkdir(exist_ok=True)",
                       "tempfile", "directory TMP/lock*.d"),
    "renamed": ("os.replace(host.temporary(), host.fresh('done-{}'))",
                "os.replace(host.temporary(), host.place('done'))", "tempfile", "file TMP/done-*"),
    "link": ("os.symlink('x', host.fresh('link{}'))",
             "os.path.lexists(host.place('link')) or os.symlink('x', host.place('link'))",
             "tempfile", "link TMP/link*"),
    "socket": ("host.bound(host.fresh('s{}.sock'))", "host.replaced(host.bound(host.fresh('s{}')), os.unlink)",
               "sockets", "socket TMP/s*.sock"),
    "fifo": ("os.mkfifo(host.place(uuid.uuid4().hex))",
             "os.path.exists(host.place('fifo')) or os.mkfifo(host.place('fifo'))", "fifos", "fifo TMP/*"),
}  # fmt: skip
IMPORTS = "import host, os, tempfile, uuid\nfrom pathlib import Path\n"
