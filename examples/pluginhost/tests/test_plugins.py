"""Ordinary tests of the host and its plugins; none of them notices that one plugin leaks."""

import pytest

from pluginhost import PluginHost, messages


@pytest.fixture
def host():
    host = PluginHost()
    host.load("plugins.weather")
    host.load("plugins.greeter")
    return host


@pytest.mark.usefixtures("host")
def test_weather_answers():
    assert messages.publish("weather in oslo") == ["snow"]


def test_a_reload_runs_the_plugin_again(host):
    old = host.plugins["plugins.greeter"]

    assert host.reload("plugins.greeter") is not old
    assert host.plugins["plugins.greeter"] is not old


def test_a_reload_that_fails_keeps_the_old_plugin(host, monkeypatch):
    old = host.plugins["plugins.greeter"]
    monkeypatch.setattr(messages, "subscribe", None)

    with pytest.raises(TypeError):
        host.reload("plugins.greeter")

    assert host.load("plugins.greeter") is old


@pytest.mark.reloadable("plugins.greeter")
def test_greeter_answers_once(host):
    host.load("plugins.greeter")

    assert messages.publish("hello") == ["hello, you"]
