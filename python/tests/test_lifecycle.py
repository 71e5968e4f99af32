"""A watcher is created, managed, started, sent messages, and stopped."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

import pytest
from conftest import LONG, Build

import hersh
from hersh import State


def test_the_whole_life() -> None:
    served: list[str] = []
    ended: list[str] = []
    watcher = hersh.Watcher(env={"KEY": "value"}, name="life")

    @watcher.manage
    def app(msg: hersh.Message | None, ctx: hersh.Context) -> None:
        assert ctx.get_env("KEY") == "value"
        assert ctx.get_env("OTHER") is None
        assert ctx.get_env("OTHER", "else") == "else"
        assert ctx.attempt == 1 and not ctx.cancelled
        assert ctx.watcher_id == watcher.id
        assert 0 < ctx.now() <= ctx.deadline
        if msg is None:
            assert ctx.trigger == "Init" and ctx.message is None
        else:
            assert ctx.trigger == "Message"
            assert ctx.message is not None and ctx.message.content == msg.content == str(msg)
            assert msg.id == len(served) + 1
            served.append(msg.content)
            ctx.log(f"served {msg.content}")

    @watcher.cleanup
    def bye(ctx: hersh.Context) -> None:
        ended.append(str(ctx.trigger))

    assert watcher.state is State.NOT_RUN and not watcher.is_running
    assert watcher.name == "life" and watcher.id.startswith("life-")
    watcher.start()
    assert watcher.is_running
    watcher.send_message("a")
    watcher.send_message("bé", timeout=timedelta(seconds=1))
    report = watcher.stop(drain=True)
    assert report.state is State.STOPPED and report.unserved == []
    assert served == ["a", "bé"] and ended == ["Cleanup"]
    assert [entry.text for entry in watcher.logs("context")] == ["served a", "served bé"]
    assert watcher.stats["executions"] == 3
    assert watcher.stop().state is State.STOPPED

    watcher.start()
    watcher.kill()
    assert watcher.wait(LONG) and watcher.state == "Killed"
    assert ended == ["Cleanup"]


def test_a_decorator_with_a_name_gives_the_function_back() -> None:
    watcher = hersh.Watcher()

    @watcher.manage("what it does")
    def app(msg: object, ctx: object) -> int:
        return 7

    assert app(None, None) == 7
    with watcher as same:
        assert same is watcher and watcher.wait(LONG, until=State.READY)
        assert not watcher.wait(0.001, until="Stopped")
    assert watcher.state is State.STOPPED


@pytest.mark.parametrize(
    ("error", "state", "cleanups"),
    [
        (hersh.StopError, State.STOPPED, 1),
        (hersh.KillError, State.KILLED, 0),
        (hersh.CrashError, State.CRASHED, 1),
    ],
)
def test_control_errors(error: type[Exception], state: State, cleanups: int) -> None:
    ran = 0
    attempts = []
    recovery = hersh.RecoveryPolicy(max_retries=2, retry_delay=0.001)
    watcher = hersh.Watcher(hersh.WatcherConfig(recovery=recovery))

    @watcher.manage
    def app(msg: object, ctx: hersh.Context) -> None:
        if msg:
            attempts.append(ctx.attempt)
            raise error("as asked")

    @watcher.cleanup
    def bye(ctx: object) -> None:
        nonlocal ran
        ran += 1

    watcher.start()
    watcher.send_message("go")
    assert watcher.wait(LONG)
    assert watcher.state is state and ran == cleanups
    assert attempts == ([1, 2, 3] if state is State.CRASHED else [1])
    assert any("as asked" in entry.text for entry in watcher.logs("reduce"))


def test_other_exceptions_are_logged_with_their_traceback(
    started: Build, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(msg: hersh.Message | None, ctx: object) -> None:
        if msg:
            raise ZeroDivisionError("by zero")

    with caplog.at_level(logging.ERROR, "hersh"):
        watcher = started(fails)
        watcher.send_message("go")
        assert watcher.stop(drain=True).state is State.STOPPED
    assert watcher.stats["errors"] == 1
    text = watcher.logs("effect_result")[-1].text
    assert "in fails" in text and "ZeroDivisionError: by zero" in text
    assert "ZeroDivisionError: by zero" in caplog.text


def test_what_was_not_served_is_reported(started: Build) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def holds(msg: object, ctx: object) -> None:
        inside.set()
        assert go_on.wait(LONG)

    watcher = started(holds, signal_capacity=2)
    assert inside.wait(LONG)
    watcher.send_message("a")
    watcher.send_message("b")
    with pytest.raises(hersh.QueueFull, match="signal_capacity"):
        watcher.send_message("c")
    with pytest.raises(hersh.QueueFull):
        watcher.send_message("c", timeout=0.001)
    threading.Timer(0.05, go_on.set).start()
    assert [message.content for message in watcher.stop().unserved] == ["a", "b"]
    with pytest.raises(hersh.NotRunning):
        watcher.send_message("late")


def test_a_function_that_does_not_return_in_time_is_killed(started: Build) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def holds(msg: object, ctx: object) -> None:
        inside.set()
        go_on.wait(LONG)

    watcher = started(holds)
    assert inside.wait(LONG)
    with pytest.raises(hersh.StopTimeout, match="killed") as caught:
        watcher.stop(timeout=0.01)
    assert caught.value.report is not None and caught.value.report.state is State.KILLED
    go_on.set()


def test_what_would_wait_for_itself_is_refused(started: Build) -> None:
    refused: list[str] = []

    def asks(msg: object, ctx: hersh.Context) -> None:
        if msg is None:
            return
        for call in (watcher.stop, watcher.wait, watcher.run):
            with pytest.raises(hersh.StateError) as caught:
                call()
            refused.append(str(caught.value))
        watcher.send_message("works")
        raise hersh.StopError

    watcher = started(asks)
    watcher.send_message("go")
    assert watcher.wait(LONG)
    assert len(refused) == 3 and "StopError" in refused[0]


def test_wrong_states_and_settings_are_refused() -> None:
    watcher = hersh.Watcher()
    with pytest.raises(hersh.StateError, match="managed function"):
        watcher.start()
    with pytest.raises(TypeError, match="cannot be called"):
        watcher.manage(7)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="no State"):
        watcher.wait(0, until="Nowhere")
    with pytest.raises(ValueError, match="no log named"):
        watcher.logs("none")  # type: ignore[arg-type]
    assert not watcher.wait(0.01)
    for field, value in [
        ("default_timeout", 0),
        ("stop_timeout", -1),
        ("signal_capacity", 0),
        ("max_watches", -5),
        ("default_timeout", float("nan")),
        ("recovery", hersh.RecoveryPolicy(jitter=2.0)),
    ]:
        config = hersh.WatcherConfig()
        setattr(config, field, value)
        with pytest.raises(hersh.ConfigError, match=field):
            hersh.Watcher(config)
    with pytest.raises(TypeError):
        hersh.WatcherConfig(5.0)  # type: ignore[misc]


def test_a_parent_stops_its_watchers() -> None:
    parent = hersh.CancelToken()
    watcher = hersh.Watcher(parent=parent)
    watcher.manage(lambda msg, ctx: None)
    watcher.start()
    assert not parent.cancelled
    parent.cancel()
    assert watcher.wait(LONG) and watcher.state is State.STOPPED and parent.cancelled
    with pytest.raises(hersh.StateError, match="parent"):
        watcher.start()


def test_the_api_is_served() -> None:
    import json
    import urllib.request

    watcher = hersh.Watcher(name="served")

    @watcher.manage
    def app(msg: object, ctx: hersh.Context) -> None:
        ctx.set_value("plain", {"a": [1, 2.5, None, True, "é"]})
        ctx.set_value("live", [object])

    assert watcher.api_url is None
    url = watcher.start_api_server()
    assert watcher.api_url == url and url.startswith("http://127.0.0.1:")
    with pytest.raises(hersh.ApiError, match="already"):
        watcher.start_api_server()
    with watcher:
        assert watcher.wait(LONG, until=State.READY)
        with urllib.request.urlopen(url + "/watcher/varState") as answer:
            values = json.load(answer)["contextValues"]
    assert values["plain"] == {"a": [1, 2.5, None, True, "é"]}
    assert values["live"]["debug"] == "[<class 'object'>]"


def test_the_api_shows_tracebacks(started: Build) -> None:
    import json
    import urllib.request

    def fails(msg: hersh.Message | None, ctx: object) -> None:
        if msg:
            raise ZeroDivisionError("by zero")

    watcher = started(fails)
    url = watcher.start_api_server()
    watcher.send_message("go")
    watcher.stop(drain=True)
    with urllib.request.urlopen(url + "/watcher/logs?type=effect_result") as answer:
        shown = json.dumps(json.load(answer)["effectResults"])
    assert "in fails" in shown and "ZeroDivisionError: by zero" in shown
