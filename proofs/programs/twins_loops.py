"""What event loops, schedulers and task queues are given."""

import sys

from twins import PLUGIN, Twins

JOB = """
def tick():
    pass

def setup(scheduler):
    scheduler.add_job(tick, "interval", hours=1)

def teardown(scheduler):
    {undo}
"""
SUBSCRIBED = """
def on_event(event):
    pass

def setup(scheduler):
    scheduler.subscribe(on_event)

def teardown(scheduler):
    {undo}
"""
LISTENER = """
def on_job(event):
    pass

def setup(scheduler):
    scheduler.add_listener(on_job)

def teardown(scheduler):
    {undo}
"""
MARKED = """
def setup(scheduler):
    @scheduler.scheduled_job("interval", hours=1)
    def tick():
        pass

def teardown(scheduler):
    {undo}
"""
SHARED = """
from celery import shared_task

@shared_task
def add(a, b):
    return a + b

def __reload_dispose__(data):
    {undo}
"""
SIGNAL = """
import celery
from celery import signals

app = celery.current_app

def on_success(sender=None, **details):
    pass

signals.task_success.connect(on_success, weak=False)

def __reload_dispose__(data):
    {undo}
"""
BEAT = """
import celery, hub
from celery.schedules import crontab

app = celery.current_app
hub.listeners.append(None)
name = f"poll {len(hub.listeners)}"

def now():
    return app.now()

app.conf.beat_schedule[name] = {"task": "poll", "schedule": crontab(minute=5, nowfun=now)}

def __reload_dispose__(data):
    {undo}
"""
TRIGGER = """
from twisted.internet import reactor

def on_stop():
    pass

reactor.addSystemEventTrigger("before", "shutdown", on_stop)

def __reload_dispose__(data):
    {undo}
"""
LATER = """
from twisted.internet import reactor

def poll():
    pass

reactor.callLater(3600, poll)

def __reload_dispose__(data):
    {undo}
"""
LOOPING = """
from twisted.application import service as services
from twisted.internet import task

class Poll(services.Service):
    def startService(self):
        super().startService()
        self.loop = task.LoopingCall(self.poll)
        self.loop.start(3600)

    def stopService(self):
        {undo}
        return super().stopService()

    def poll(self):
        pass

service = Poll()
"""
PORT = """
from twisted.internet import protocol, reactor

class Echo(protocol.Protocol):
    pass

factory = protocol.Factory.forProtocol(Echo)
port = reactor.listenTCP(0, factory, interface="127.0.0.1")

def __reload_dispose__(data):
    {undo}
"""
SPAWNED = """
import gevent

def work():
    while True:
        gevent.sleep(60)

worker = gevent.spawn(work)

def __reload_dispose__(data):
    {undo}
"""


def _clear_celery():
    state = sys.modules.get("celery._state")
    if state is None:
        return
    finalizers = state._on_app_finalizers
    finalizers -= {one for one in finalizers if any(_is_of_plugin(cell) for cell in one.__closure__ or ())}
    app = sys.modules["celery"].current_app
    for name in [name for name in app.tasks if name.startswith(f"{PLUGIN}.")]:
        app.tasks.pop(name)
    app.conf.beat_schedule.clear()
    receivers = sys.modules["celery.signals"].task_success.receivers
    receivers[:] = [one for one in receivers or () if "on_success" not in repr(one)]


def _is_of_plugin(cell):
    return getattr(cell.cell_contents, "__module__", "") == PLUGIN


def _clear_twisted():
    reactor = sys.modules.get("twisted.internet.reactor")
    if reactor is None:
        return
    for call in reactor.getDelayedCalls():
        call.cancel()
    for port in list(reactor.getReaders()):
        if type(port).__name__ == "Port":
            port.stopListening()
    reactor._eventTriggers.pop("shutdown", None)
    reactor.iterate(0)


def _kill():
    import gc

    import gevent

    gevent.killall([one for one in gc.get_objects() if isinstance(one, gevent.Greenlet)])


def _job(source, **keywords):
    return Twins(preset="APScheduler", needs="apscheduler.schedulers.background", source=source, **keywords)


def _task(source, **keywords):
    return Twins(preset="Celery", needs="celery", source=source, after=_clear_celery, **keywords)


def _reactor(source, **keywords):
    return Twins(preset="Twisted", needs="twisted", source=source, after=_clear_twisted, **keywords)


LOOPS = {
    "APScheduler, a job": _job(
        JOB,
        path="scheduler._jobstores['default']._jobs",
        line=6,
        cure="for item in [item for item in scheduler.get_jobs() if item.func is tick]: item.remove()",
    ),
    "APScheduler, a marked job": _job(
        MARKED, path="scheduler._jobstores['default']._jobs", line=3, cure="in scheduler.get_jobs() if"
    ),
    "APScheduler, a listener": _job(
        LISTENER, path="scheduler._listeners[*]", line=6, cure="scheduler.remove_listener(on_job)"
    ),
    "APScheduler 4, a subscription": Twins(
        preset="APScheduler",
        needs="apscheduler.eventbrokers.local",
        source=SUBSCRIBED,
        path="scheduler._async_scheduler.event_broker._subscriptions[*]",
        line=6,
        cure="event_broker.unsubscribe(key)",
    ),
    "Celery, a shared task": _task(
        SHARED, path="celery._state._on_app_finalizers[*]", line=4, cure="._on_app_finalizers.discard(item)"
    ),
    "Celery, a signal": _task(
        SIGNAL,
        path="celery.signals.task_success.receivers[*]",
        line=10,
        cure="signals.task_success.disconnect(",
    ),
    "Celery, beat": _task(
        BEAT,
        path="celery._state.default_app._conf.maps[*]['beat_schedule'][*]",
        line=12,
        cure="del app.conf.beat_schedule[NAME]",
        by_hand="del app.conf.beat_schedule[name]",
    ),
    "Twisted, a trigger": _reactor(
        TRIGGER,
        path="twisted.internet.reactor._eventTriggers['shutdown']",
        line=7,
        cure="reactor.removeSystemEventTrigger(",
    ),
    "Twisted, a call": _reactor(
        LATER,
        path="twisted.internet.reactor._pendingTimedCalls[*]",
        line=None,
        cure="in reactor.getDelayedCalls() if item.func is poll]: item.cancel()",
    ),
    "Twisted, a looping call": _reactor(
        LOOPING,
        path="twisted.internet.reactor._pendingTimedCalls[*]",
        line=None,
        cure="service.loop.stop()",
    ),
    "Twisted, a port": _reactor(
        PORT, path="twisted.internet.reactor._selectables[*]", line=8, cure="port.stopListening()"
    ),
    "gevent, a greenlet": Twins(
        preset="gevent",
        needs="gevent",
        source=SPAWNED,
        path="native gevent._gevent_cgreenlet.Greenlet._run",
        line=None,
        cure="worker.kill()",
        after=_kill,
    ),
}
