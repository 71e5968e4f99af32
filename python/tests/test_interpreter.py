"""The interpreter's own affairs: its lock, its signals, its end, its forks."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from conftest import LONG, Build

import hersh

PYTHON = Path(__file__).parent.parent


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end, which must come."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )


# A shell starts what it runs in the background with SIGINT ignored, and Python keeps to that: Ctrl-C
# is to work in these programs however the tests were started.
HEED_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


def begin(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-c", HEED_CTRL_C + textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_other_threads_run_while_one_waits(started: Build) -> None:
    watcher = started(lambda msg, ctx: None)
    waiting = threading.Thread(target=watcher.wait)
    waiting.start()
    ran = threading.Event()
    threading.Thread(target=ran.set).start()
    assert ran.wait(LONG)
    watcher.kill()
    waiting.join(LONG)
    assert not waiting.is_alive()


def test_a_hundred_threads_send_while_the_function_runs(started: Build) -> None:
    served: list[str] = []

    def app(msg: hersh.Message | None, ctx: hersh.Context) -> None:
        if msg:
            served.append(msg.content)
            ctx.set_value("last", msg.content)

    watcher = started(app)

    def send(name: int) -> None:
        for n in range(10):
            watcher.send_message(f"{name}:{n}", timeout=LONG)
            watcher.stats, watcher.values

    threads = [threading.Thread(target=send, args=(name,)) for name in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    watcher.stop(drain=True)
    assert len(served) == 1000
    for name in range(100):
        assert [s for s in served if s.startswith(f"{name}:")] == [f"{name}:{n}" for n in range(10)]


def test_asyncio_goes_on_while_a_thread_waits(started: Build) -> None:
    watcher = started(lambda msg, ctx: None)

    async def main() -> hersh.StopReport:
        ended = asyncio.create_task(asyncio.to_thread(watcher.wait))
        await asyncio.sleep(0)
        report = await asyncio.to_thread(watcher.stop)
        assert await ended
        return report

    assert asyncio.run(main()).state is hersh.State.STOPPED


WAITS = {
    "wait": "watcher.start(); say(); watcher.wait()",
    "stop": "watcher.start(); inside.wait(); say(); watcher.stop(timeout=30)",
    "send": "watcher.start(); inside.wait(); watcher.send_message('a'); say(); watcher.send_message('b', 30)",
    "channel": "channel = hersh.Channel(1); channel.send(1); say(); channel.send(2)",
}


@pytest.mark.parametrize("call", WAITS)
def test_ctrl_c_ends_every_wait(call: str) -> None:
    process = begin(f"""
        import hersh, threading
        inside = threading.Event()
        def app(msg, ctx):
            inside.set()
            threading.Event().wait(3)
        watcher = hersh.Watcher(hersh.WatcherConfig(signal_capacity=1, default_timeout=60))
        watcher.manage(app)
        say = lambda: print("waiting")
        try:
            {WAITS[call]}
        except KeyboardInterrupt:
            print("interrupted")
        """)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "interrupted\n"
    process.communicate(timeout=LONG)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_turns_signals_into_a_graceful_stop(number: signal.Signals) -> None:
    process = begin("""
        import hersh, signal
        watcher = hersh.Watcher()
        @watcher.manage
        def app(msg, ctx):
            print("runs")
        @watcher.cleanup
        def bye(ctx):
            print("cleanup")
        before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        report = watcher.run()
        assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
        print(report.state)
        """)
    assert process.stdout is not None
    assert process.stdout.readline() == "runs\n"
    process.send_signal(number)
    said, problems = process.communicate(timeout=LONG)
    assert (said, process.returncode) == ("cleanup\nStopped\n", 0), problems


def test_a_second_signal_kills() -> None:
    process = begin("""
        import hersh, threading
        watcher = hersh.Watcher()
        @watcher.manage
        def app(msg, ctx):
            print("runs")
            while not ctx.cancelled:
                ctx.sleep(30)
            print("cancelled")
            threading.Event().wait(30)
        print(watcher.run().state)
        import os; os._exit(0)
        """)
    assert process.stdout is not None
    assert process.stdout.readline() == "runs\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "cancelled\n"
    process.send_signal(signal.SIGTERM)
    said, problems = process.communicate(timeout=LONG)
    assert (said, process.returncode) == ("Killed\n", 0), problems


INSIDE = {
    "idle": "return",
    "ctx.sleep": "ctx.sleep(1000)",
    "busy": "while True: pass",
    "sleeping in steps": "while True: time.sleep(0.001)",
    "polling": "ctx.watch_call('x', time.time, every=0.0001); ctx.watch_tick('t', 0.0001)",
    "flow": "ctx.watch_flow('f', queue.Queue())",
}


@pytest.mark.parametrize("inside", INSIDE)
def test_the_interpreter_ends_with_a_live_watcher(inside: str) -> None:
    began = time.monotonic()
    ended = run(f"""
        import hersh, queue, threading, time
        ready = threading.Event()
        watcher = hersh.Watcher(hersh.WatcherConfig(default_timeout=1000))
        @watcher.manage
        def app(msg, ctx):
            ready.set()
            {INSIDE[inside]}
        watcher.start()
        ready.wait()
        print("ends")
        """)
    assert (ended.returncode, ended.stdout) == (0, "ends\n"), ended.stderr
    assert "Fatal" not in ended.stderr and "panicked" not in ended.stderr
    # Not a measure of speed: hanging is what this tells from ending.
    assert time.monotonic() - began < LONG


def test_twenty_ends_amid_callbacks() -> None:
    for _ in range(20):
        ended = run("""
            import hersh
            watchers = [hersh.Watcher(name=str(n)) for n in range(4)]
            for watcher in watchers:
                @watcher.manage
                def app(msg, ctx, watcher=watcher):
                    ctx.watch_tick("tick", 0.0001)
                    ctx.watch_call("call", lambda: object(), every=0.0001)
                    ctx.set_value("x", {})
                    watcher.send_message("again")
                watcher.start()
            """)
        assert ended.returncode == 0, ended.stderr
        assert ended.stderr == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork()")
def test_a_watcher_does_not_survive_fork_and_says_so() -> None:
    ended = run("""
        import os, sys, warnings
        warnings.simplefilter("ignore")
        import hersh
        watcher = hersh.Watcher()
        context = []
        watcher.manage(lambda msg, ctx: context.append(ctx))
        watcher.start()
        watcher.wait(60, until="Ready")
        channel, token = hersh.Channel(), hersh.CancelToken()
        child = os.fork()
        if child == 0:
            for call in (watcher.stop, watcher.kill, lambda: watcher.state, lambda: channel.send(1),
                         token.cancel, lambda: context[0].log("x")):
                try:
                    call()
                except hersh.ForkError as error:
                    assert "spawn" in str(error)
                else:
                    os._exit(1)
            del watcher, context
            # One that is built here works here.
            own = hersh.Watcher()
            own.manage(lambda msg, ctx: None)
            with own:
                assert own.wait(60, until="Ready")
            print("child", flush=True)
            sys.exit(0)
        _, status = os.waitpid(child, 0)
        assert status == 0, status
        assert watcher.stop().state == "Stopped"
        print("parent")
        """)
    assert (ended.returncode, ended.stdout) == (0, "child\nparent\n"), ended.stderr


def test_the_module_says_which_it_is() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "hersh"], capture_output=True, text=True, check=True
    ).stdout
    assert said.startswith(f"hersh {hersh.__version__}, Python ")
