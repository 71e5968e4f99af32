"""Watchers under a virtual clock: nothing here waits."""

from __future__ import annotations

import queue
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Optional

import pytest

import hersh
from hersh import State
from hersh.testing import Simulation

Ctx = hersh.Context
Msg = Optional[hersh.Message]
DAY = 24 * 3600


def test_a_day_of_ticks(hersh_sim: Simulation) -> None:
    watcher = hersh_sim.watcher()
    began = hersh_sim.now()

    @watcher.manage
    def app(msg: Msg, ctx: Ctx) -> None:
        if ctx.watch_tick("tick", every=60).triggered:
            ctx.update_value("ticks", lambda n: (n or 0) + 1)
            ctx.set_value("now", ctx.now())

    watcher.start()
    assert watcher.state is State.INIT_RUN
    hersh_sim.advance(DAY)
    assert watcher.values == {"ticks": DAY / 60, "now": began + DAY}
    assert hersh_sim.now() == began + DAY
    assert watcher.stop().state is State.STOPPED


def test_polls_are_scripted(hersh_sim: Simulation) -> None:
    watcher = hersh_sim.watcher()
    seen: list[Any] = []
    asked: list[Any] = []

    def poll(previous: Any) -> float:
        asked.append(previous)
        return 100.0

    @watcher.manage
    def app(msg: Msg, ctx: Ctx) -> None:
        price = ctx.watch_call("price", poll, every=1.0)
        if price.triggered:
            seen.append(price.value)

    hersh_sim.fail_polls(watcher, "price", 2, "no network")
    hersh_sim.inject_poll(watcher, "price", 99.5)
    hersh_sim.inject_poll(watcher, "price", 99.5)
    watcher.start()
    hersh_sim.run_until_idle()
    assert [entry.text for entry in watcher.logs("watch_error")] == ["price: no network"]
    hersh_sim.advance(3)
    assert seen == [99.5] and asked == []
    hersh_sim.advance(DAY)
    assert seen == [99.5, 100.0] and asked[:2] == [99.5, 100.0]
    hersh_sim.delay_polls(watcher, "price", 10)
    hersh_sim.inject_poll(watcher, "price", 1.0)
    hersh_sim.advance(1)
    assert seen == [99.5, 100.0], "it is on its way"
    hersh_sim.advance(10)
    assert seen == [99.5, 100.0, 1.0]
    assert watcher.stats["skipped_ticks"] > 0


@pytest.mark.parametrize("kind", ["channel", "queue", "iterator"])
def test_every_value_of_a_flow_comes_in_order(hersh_sim: Simulation, kind: str) -> None:
    channel, plain = hersh.Channel(), queue.Queue[int]()
    source: Any = {"channel": channel, "queue": plain, "iterator": iter(range(50))}[kind]
    watcher = hersh_sim.watcher()
    seen: list[Any] = []

    @watcher.manage
    def app(msg: Msg, ctx: Ctx) -> None:
        event = ctx.watch_flow("event", source)
        if event.triggered:
            seen.append(event.value)

    hersh_sim.inject_flow(watcher, "event", "before")
    watcher.start()
    for n in range(50):
        channel.send(n)
        plain.put(n)
    hersh_sim.run_until_idle()
    assert seen == ["before", *range(50)]
    plain.put(50)
    channel.send(50)
    if kind == "iterator":
        with pytest.raises(hersh.ChannelClosed, match="has ended"):
            hersh_sim.inject_flow(watcher, "event", "after")
        assert "closed" in watcher.logs("watch_error")[-1].text
    else:
        hersh_sim.inject_flow(watcher, "event", "after")
        hersh_sim.run_until_idle()
        assert seen[51:] == ["after", 50]


def test_only_the_newest_of_a_flow(hersh_sim: Simulation) -> None:
    plain = queue.Queue[int]()
    watcher = hersh_sim.watcher()
    seen: list[Any] = []

    @watcher.manage
    def app(msg: Msg, ctx: Ctx) -> None:
        event = ctx.watch_flow("event", plain, latest=True)
        if event.triggered:
            seen.append(event.value)

    for n in range(10):
        plain.put(n)
    watcher.start()
    hersh_sim.run_until_idle()
    assert seen == [9]


def test_crashes_are_retried_in_virtual_time(hersh_sim: Simulation) -> None:
    recovery = hersh.RecoveryPolicy(max_retries=3, retry_delay=600, max_delay=DAY)
    watcher = hersh_sim.watcher(hersh.WatcherConfig(recovery=recovery), name="frail")
    attempts: list[tuple[int, float]] = []
    began = hersh_sim.now()

    @watcher.manage
    def app(msg: Msg, ctx: Ctx) -> None:
        if msg:
            attempts.append((ctx.attempt, ctx.now() - began))
            raise hersh.CrashError("no")

    watcher.start()
    hersh_sim.send(watcher, "go")
    assert watcher.wait() and watcher.state is State.CRASHED
    assert attempts == [(1, 0), (2, 600), (3, 1800), (4, 4200)]
    entries = hersh_sim.trace.entries
    assert [entry.after for entry in entries][-1] is State.CRASHED
    assert entries[0].before is State.NOT_RUN and entries[0].watcher == "sim-1"
    assert entries[-1].at == 4200 and "no" in entries[-1].cause


def test_waiting_moves_the_clock(hersh_sim: Simulation) -> None:
    watcher = hersh_sim.watcher(hersh.WatcherConfig(default_timeout=DAY))

    @watcher.manage
    def app(msg: Msg, ctx: Ctx) -> None:
        if msg:
            assert ctx.sleep(3600)
            raise hersh.StopError

    watcher.start()
    assert watcher.wait(until=State.READY) and not watcher.wait(60)
    watcher.send_message("go")
    began = hersh_sim.now()
    assert watcher.wait(DAY) and hersh_sim.now() == began + 3600


def test_one_seed_one_trace() -> None:
    def run(seed: int) -> Any:
        sim = Simulation(seed)
        watchers = []
        for name in "abc":
            watcher = sim.watcher(
                hersh.WatcherConfig(recovery=hersh.RecoveryPolicy(jitter=0.5)), name=name
            )

            @watcher.manage
            def app(msg: Msg, ctx: Ctx) -> None:
                ctx.watch_tick("tick", every=1)
                if ctx.execution % 5 == 0:
                    raise hersh.CrashError("every fifth")

            watcher.start()
            watchers.append(watcher)
        sim.advance(60)
        return sim.trace

    first, second, other = run(7), run(7), run(8)
    assert first == second and first.digest == second.digest and str(first) == str(second)
    assert first != other and len(first) > 100 and len(first.entries) == len(first)


def test_what_cannot_be(hersh_sim: Simulation) -> None:
    watcher = hersh_sim.watcher()
    caught: list[Exception] = []

    @watcher.manage
    def app(msg: Msg, ctx: Ctx) -> None:
        with pytest.raises(hersh.StateError) as raised:
            hersh_sim.advance(1)
        caught.append(raised.value)

    watcher.start()
    hersh_sim.run_until_idle()
    assert "from inside" in str(caught[0])
    stranger = Simulation().watcher()
    for call in (
        lambda: hersh_sim.send(stranger, "x"),
        lambda: hersh_sim.inject_poll(stranger, "x", 1),
        lambda: hersh_sim.inject_flow(hersh.Watcher(), "x", 1),
        lambda: hersh_sim.delay_polls(stranger, "x", 1),
    ):
        with pytest.raises(ValueError, match="not of this simulation"):
            call()


def test_a_function_that_never_comes_to_rest_is_told(hersh_sim: Simulation) -> None:
    watcher = hersh_sim.watcher()
    endless = iter(int, 1)

    @watcher.manage
    def app(msg: Msg, ctx: Ctx) -> None:
        ctx.watch_flow("event", endless)
        if ctx.execution > 1000:
            raise KeyboardInterrupt

    watcher.start()
    with pytest.raises(KeyboardInterrupt):
        hersh_sim.advance(1)
    assert watcher.state is State.KILLED


@pytest.mark.hersh_seed(42)
def test_the_seed_of_the_fixture_can_be_chosen(hersh_sim: Simulation) -> None:
    def draws(sim: Simulation) -> float:
        jitter = hersh.RecoveryPolicy(jitter=1.0, max_retries=1)
        watcher = sim.watcher(hersh.WatcherConfig(recovery=jitter))

        @watcher.manage
        def app(msg: Msg, ctx: Ctx) -> None:
            raise hersh.CrashError

        watcher.start()
        watcher.wait()
        return sim.now()

    assert draws(hersh_sim) == draws(Simulation(42)) != draws(Simulation(0))


def test_the_fixture_is_found_by_pytest_itself(tmp_path: Path) -> None:
    test = tmp_path / "test_mine.py"
    test.write_text(textwrap.dedent("""
        def test_clock(hersh_sim):
            began = hersh_sim.now()
            hersh_sim.advance(3600)
            assert hersh_sim.now() == began + 3600
    """))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers"]
    ran = subprocess.run([*command, test], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0 and "1 passed" in ran.stdout, ran.stdout
