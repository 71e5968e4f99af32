"""Polls, flows, timers, values and memos."""

from __future__ import annotations

import gc
import queue
import threading
import weakref
from typing import Any

import pytest
from conftest import LONG, Build

import hersh


def test_a_poll_triggers_when_its_value_changes(started: Build) -> None:
    results = iter([1, 1, [2], [2], 3])
    given: list[Any] = []
    seen: list[Any] = []

    def poll(previous: Any) -> Any:
        given.append(previous)
        return next(results, 3)

    def app(msg: object, ctx: hersh.Context) -> None:
        value = ctx.watch_call("value", poll, every=0.001)
        assert value.updated == (value.value is not None)
        if value.triggered:
            assert ctx.trigger == ["value"]
            seen.append(value.value)
        if seen == [1, [2], 3]:
            raise hersh.StopError

    assert started(app).wait(LONG)
    assert seen == [1, [2], 3]
    assert given[:5] == [None, 1, 1, [2], [2]]


def test_a_poll_that_raises_keeps_the_last_value(started: Build) -> None:
    results = iter([1, ValueError("no network"), 2])

    def poll() -> int:
        result = next(results, 2)
        if isinstance(result, Exception):
            raise result
        return result

    def app(msg: object, ctx: hersh.Context) -> None:
        value = ctx.watch_call("value", poll, every=0.001)
        if value.value == 2:
            assert value.error is None
            raise hersh.StopError

    watcher = started(app)
    assert watcher.wait(LONG)
    (entry,) = watcher.logs("watch_error")
    assert "in poll" in entry.text and "ValueError: no network" in entry.text


def test_values_that_cannot_be_compared_count_as_different(started: Build) -> None:
    class Stubborn:
        def __eq__(self, other: object) -> bool:
            raise TypeError("not comparable")

    count = 0

    def app(msg: object, ctx: hersh.Context) -> None:
        nonlocal count
        count += ctx.watch_call("value", Stubborn, every=0.001).triggered
        if count == 3:
            raise hersh.StopError

    assert started(app).wait(LONG)


def test_comparing_may_use_the_watcher_itself(started: Build) -> None:
    class Curious:
        def __eq__(self, other: object) -> bool:
            watcher.stats, watcher.logs(), watcher.values
            return False

    count = 0

    def app(msg: object, ctx: hersh.Context) -> None:
        nonlocal count
        if msg:
            count += 1
        if ctx.watch_call("value", Curious, every=0.001).triggered:
            count += 1
        if count >= 20:
            raise hersh.StopError

    watcher = started(app)
    assert watcher.wait(LONG)


@pytest.mark.parametrize("kind", ["channel", "queue", "iterator"])
def test_every_value_of_a_flow_is_served_in_order(started: Build, kind: str) -> None:
    sent = [{"n": n} for n in range(50)]
    channel = hersh.Channel(capacity=4)
    plain: queue.Queue[Any] = queue.Queue(maxsize=4)
    source: Any = {"channel": channel, "queue": plain, "iterator": iter(sent)}[kind]
    seen: list[Any] = []

    def app(msg: object, ctx: hersh.Context) -> None:
        event = ctx.watch_flow("events", source)
        if event.triggered:
            seen.append(event.value)
        if len(seen) == len(sent):
            raise hersh.StopError

    watcher = started(app)
    for value in sent:
        if kind == "channel":
            channel.send(value, timeout=LONG)
        elif kind == "queue":
            plain.put(value, timeout=LONG)
    assert watcher.wait(LONG)
    assert seen == sent
    assert all(a is b for a, b in zip(seen, sent))


def test_a_channel_is_bounded_and_can_be_closed(started: Build) -> None:
    with pytest.raises(ValueError, match="capacity"):
        hersh.Channel(0)
    channel = hersh.Channel(1)
    channel.send("only")
    assert len(channel) == channel.capacity == 1
    with pytest.raises(hersh.QueueFull):
        channel.send("more", timeout=0.001)
    channel.close()
    with pytest.raises(hersh.ChannelClosed):
        channel.send("more")
    closed = threading.Event()

    def app(msg: object, ctx: hersh.Context) -> None:
        event = ctx.watch_flow("events", channel)
        tick = ctx.watch_tick("tick", 0.001)
        if event.value == "only" and event.error and tick.triggered:
            closed.set()
            raise hersh.StopError

    assert started(app).wait(LONG) and closed.is_set()


def test_an_iterator_that_raises_ends_its_flow_with_words(started: Build) -> None:
    def supply() -> Any:
        yield 1
        raise OSError("unplugged")

    source = supply()

    def app(msg: object, ctx: hersh.Context) -> None:
        event = ctx.watch_flow("events", source)
        ctx.watch_tick("tick", 0.001)
        if event.value == 1 and event.error:
            raise hersh.StopError

    watcher = started(app)
    assert watcher.wait(LONG)
    assert any("OSError: unplugged" in entry.text for entry in watcher.logs("context"))


def test_names_and_limits_are_kept(started: Build) -> None:
    caught: list[type[BaseException]] = []

    def app(msg: object, ctx: hersh.Context) -> None:
        tick = ctx.watch_tick("tick", every=0.001)
        attempts = [
            lambda: ctx.watch_call("tick", int, every=1.0),
            lambda: ctx.watch_tick("other", 1.0),
            lambda: ctx.watch_tick("never", 0),
            lambda: ctx.watch_tick("never", -1.0),
            lambda: ctx.memo("second", int),
            lambda: ctx.watch_flow("number", 7),
        ]
        ctx.memo("first", int)
        if not caught:
            for attempt in attempts:
                with pytest.raises(Exception) as raised:
                    attempt()
                caught.append(raised.type)
        if isinstance(tick.value, hersh.Tick):
            assert tick.value.count >= 1 and tick.value.time > 0
            assert ctx.unwatch("tick") and not ctx.unwatch("tick")
            raise hersh.StopError

    assert started(app, max_watches=1, max_memo_entries=1).wait(LONG)
    limit = hersh.LimitError
    assert caught == [hersh.WatchError, limit, ValueError, ValueError, limit, TypeError]


def test_memos_and_values(started: Build) -> None:
    made: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    def fails() -> None:
        raise KeyError("nothing kept")

    def spoils(old: Any) -> Any:
        old.append("spoiled")
        raise KeyError("undone")

    def app(msg: object, ctx: hersh.Context) -> None:
        assert ctx.memo("one", make) is ctx.memo("one", make) is made[-1]
        with pytest.raises(KeyError, match="nothing kept"):
            ctx.memo("fails", fails)
        with pytest.raises(RecursionError):
            ctx.memo("itself", lambda: ctx.memo("itself", int))
        assert ctx.clear_memo("one") and not ctx.clear_memo("one")
        assert ctx.get_value("list") is None and ctx.get_value("list", 7) == 7
        ctx.set_value("list", ["kept"])
        with pytest.raises(KeyError, match="undone"):
            ctx.update_value("list", spoils)
        assert ctx.get_value("list") == ["kept"]
        assert ctx.update_value("list", lambda old: [*old, 1]) == ["kept", 1]
        assert hersh.get_value("list", ctx) == ["kept", 1]
        hersh.set_value("object", made[0], ctx)
        raise hersh.StopError("done")

    watcher = started(app)
    assert watcher.wait(LONG)
    assert watcher.state is hersh.State.STOPPED, watcher.logs()
    assert watcher.values["object"] is made[0] and len(made) == 1


def test_updates_from_many_threads_are_all_counted(started: Build) -> None:
    def app(msg: object, ctx: hersh.Context) -> None:
        def add() -> None:
            for _ in range(100):
                ctx.update_value("n", lambda n: (n or 0) + 1)

        threads = [threading.Thread(target=add) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        raise hersh.StopError

    watcher = started(app)
    assert watcher.wait(LONG)
    assert watcher.values["n"] == 400


def test_one_value_at_most_is_taken_before_it_is_wanted(started: Build) -> None:
    plain: queue.Queue[int] = queue.Queue()
    for n in range(10):
        plain.put(n)
    inside, go_on = threading.Event(), threading.Event()
    seen: list[Any] = []

    def app(msg: object, ctx: hersh.Context) -> None:
        event = ctx.watch_flow("events", plain)
        if event.triggered:
            seen.append(event.value)
            if len(seen) == 3:
                inside.set()
                assert go_on.wait(LONG)
                raise hersh.StopError

    watcher = started(app)
    assert inside.wait(LONG)
    # The third is being served and the fourth is on its way; no matter how long one waits.
    threading.Event().wait(0.05)
    assert plain.qsize() in (6, 7)
    go_on.set()
    assert watcher.wait(LONG)
    watcher.start()
    while len(seen) < 10:
        assert not watcher.wait(0.01)
    watcher.kill()
    assert seen == list(range(10)), "the one on its way was not lost"


def test_only_the_newest_of_a_queue(started: Build) -> None:
    plain: queue.Queue[int] = queue.Queue()
    inside, go_on = threading.Event(), threading.Event()
    seen: list[Any] = []

    def app(msg: object, ctx: hersh.Context) -> None:
        event = ctx.watch_flow("events", plain, latest=True)
        if event.triggered:
            seen.append(event.value)
            inside.set()
            assert go_on.wait(LONG)

    watcher = started(app)
    plain.put(-1)
    assert inside.wait(LONG)
    for n in range(100):
        plain.put(n)
    while not plain.empty():
        threading.Event().wait(0.001)
    # The last has left the queue, and is on its way or at the door.
    threading.Event().wait(0.05)
    go_on.set()
    while 99 not in seen:
        assert not watcher.wait(0.01)
    assert len(seen) < 50


def goes(reference: weakref.ref[Any]) -> bool:
    for _ in range(200):
        gc.collect()
        if reference() is None:
            return True
        # What Rust has let go of without the interpreter is released with the next call of hersh.
        hersh.Channel()
        threading.Event().wait(0.01)
    return False


CYCLES = {
    "function": lambda watcher, ctx: None,
    "value": lambda watcher, ctx: ctx.set_value("own", [watcher]),
    "itself": lambda watcher, ctx: ctx.set_value("own", watcher),
    "memo": lambda watcher, ctx: ctx.memo("own", lambda: {"own": watcher}),
    "poll": lambda watcher, ctx: ctx.watch_call("own", lambda: watcher, every=3600),
    "iterator": lambda watcher, ctx: ctx.watch_flow("own", iter([watcher])),
    "context": lambda watcher, ctx: ctx.set_value("own", ctx),
}


@pytest.mark.parametrize("kind", CYCLES)
def test_no_cycle_keeps_a_stopped_watcher_alive(kind: str) -> None:
    watcher = hersh.Watcher()

    @watcher.manage
    def app(msg: object, ctx: hersh.Context, own: hersh.Watcher = watcher) -> None:
        CYCLES[kind](own, ctx)

    watcher.start()
    # What is watched has come, too.
    executions = 2 if kind in ("poll", "iterator") else 1
    while watcher.stats["executions"] < executions:
        assert not watcher.wait(0.001)
    watcher.stop()
    gone = weakref.ref(watcher)
    del watcher, app
    assert goes(gone), "a cycle keeps it alive"


def test_a_value_that_no_execution_saw_keeps_no_watcher_alive() -> None:
    watcher = hersh.Watcher()
    polled = threading.Event()

    @watcher.manage
    def app(msg: object, ctx: hersh.Context, own: hersh.Watcher = watcher) -> None:
        def poll() -> hersh.Watcher:
            polled.set()
            return own

        ctx.watch_call("own", poll, every=3600)
        assert polled.wait(LONG)
        # What it returned is on its way, and would be seen by the next execution.
        threading.Event().wait(0.05)
        raise hersh.StopError("enough")

    watcher.start()
    assert watcher.wait(LONG)
    gone = weakref.ref(watcher)
    del watcher, app
    assert goes(gone), "a cycle keeps it alive"


def test_a_value_that_only_the_log_tells_of_keeps_no_watcher_alive() -> None:
    watcher, channel = hersh.Watcher(), hersh.Channel()

    @watcher.manage
    def app(msg: object, ctx: hersh.Context) -> None:
        ctx.watch_flow("own", channel)

    watcher.start()
    channel.send([watcher])
    channel.send(None)
    while watcher.stats["executions"] < 3:
        assert not watcher.wait(0.001)
    watcher.stop()
    gone = weakref.ref(watcher)
    del watcher, app, channel
    assert goes(gone), "a cycle keeps it alive"


def test_what_a_collected_watcher_gave_away_stays_whole() -> None:
    given: list[hersh.Watched] = []
    watcher, channel = hersh.Watcher(), hersh.Channel()

    @watcher.manage
    def app(msg: object, ctx: hersh.Context, own: hersh.Watcher = watcher) -> None:
        given.append(ctx.watch_flow("event", channel))

    watcher.start()
    channel.send({"n": [1, 2, 3]})
    while watcher.stats["executions"] < 2:
        assert not watcher.wait(0.001)
    watcher.stop()
    gone = weakref.ref(watcher)
    del watcher, app
    assert goes(gone) and given[-1].value == {"n": [1, 2, 3]}


def test_a_running_watcher_that_nobody_holds_is_killed(started: Build) -> None:
    watcher = hersh.Watcher()
    ended = threading.Event()

    @watcher.manage
    def app(msg: object, ctx: hersh.Context, own: hersh.Watcher = watcher) -> None:
        ctx.watch_tick("tick", 0.001)

    watcher.start()
    gone = weakref.ref(watcher, lambda _: ended.set())
    del watcher, app
    assert goes(gone) and ended.wait(LONG)


def test_a_crash_keeps_its_traceback(started: Build, caplog: pytest.LogCaptureFixture) -> None:
    def app(msg: object, ctx: hersh.Context) -> None:
        ctx.log("is about to crash")
        try:
            raise OSError("unplugged")
        except OSError as error:
            raise hersh.CrashError("no device") from error

    with caplog.at_level("INFO", "hersh"):
        watcher = started(app, recovery=hersh.RecoveryPolicy(max_retries=0))
        assert watcher.wait(LONG) and watcher.state == "Crashed"
    lines = [entry.text for entry in watcher.logs("context")]
    assert lines[0] == "is about to crash" and "OSError: unplugged" in lines[1]
    assert "is about to crash" in caplog.text and "OSError: unplugged" in caplog.text
