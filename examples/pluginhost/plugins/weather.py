"""Answers `weather in CITY`. It leaks: nothing ends the subscription, so each reload adds one more."""

from pluginhost import messages

FORECASTS = {"lima": "fog", "oslo": "snow", "perth": "sun"}


def on_message(message: str) -> str | None:
    """Return the forecast that `message` asks for, or `None` when it asks for none."""
    asked, _, city = message.partition(" in ")
    return FORECASTS.get(city, "no forecast") if asked == "weather" else None


messages.subscribe(on_message)
