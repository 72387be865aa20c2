"""Where plugins listen."""

from collections.abc import Callable

Listener = Callable[[str], "str | None"]


class MessageBus:
    """Hands each message to everyone who listens, and collects the answers."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.named: dict[str, Listener] = {}

    def subscribe(self, listener: Listener, *, name: str | None = None) -> None:
        """Call `listener` with each message from now on, in place of an earlier one of the same `name`."""
        if name is None:
            self.listeners.append(listener)
        else:
            self.named[name] = listener

    def publish(self, message: str) -> list[str]:
        """Return the answers to `message`, in the order in which their authors subscribed."""
        answers = [listener(message) for listener in (*self.listeners, *self.named.values())]
        return [answer for answer in answers if answer is not None]
