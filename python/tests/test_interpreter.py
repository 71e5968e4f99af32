"""The interpreter's own affairs: its lock, its signals, its end, its forks."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
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


WAITS_IN_RUST = {
    "wait": lambda watcher: watcher.wait(),
    "stop": lambda watcher: watcher.stop(),
    "send": lambda watcher: watcher.send_message("no room", timeout=LONG),
    "run": lambda watcher: watcher.run(),
    "channel": lambda watcher: FULL.send("no room", timeout=LONG),
}
FULL = hersh.Channel(1)
FULL.send("it is full")


@pytest.mark.parametrize("call", WAITS_IN_RUST)
def test_a_heartbeat_goes_on_while_rust_waits(call: str) -> None:
    """Counts beats, and not time: nine of ten must come while somebody is inside the wait."""
    go_on, inside = threading.Event(), threading.Event()
    watcher = hersh.Watcher(hersh.WatcherConfig(signal_capacity=1, default_timeout=LONG))

    @watcher.manage
    def app(msg: object, ctx: hersh.Context) -> None:
        inside.set()
        ctx.sleep(LONG)
        go_on.wait(LONG)

    @watcher.cleanup
    def bye(ctx: object) -> None:
        go_on.wait(LONG)

    if call != "run":
        watcher.start()
        assert inside.wait(LONG)
        watcher.send_message("it is full")
    waiting = threading.Event()

    def wait() -> None:
        waiting.set()
        with contextlib.suppress(hersh.Error):
            WAITS_IN_RUST[call](watcher)

    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    assert waiting.wait(LONG)
    beats = 0
    # If the wait held the interpreter, this thread would not get to count at all.
    for _ in range(100):
        time.sleep(0.002)
        beats += waiter.is_alive()
    assert beats >= 90
    watcher.kill()
    go_on.set()
    if call == "channel":
        return
    waiter.join(LONG)
    assert not waiter.is_alive()


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
            ctx.sleep(3600) and None
            release.wait(3600)
        release = threading.Event()
        watcher = hersh.Watcher(hersh.WatcherConfig(signal_capacity=1, default_timeout=60))
        watcher.manage(app)
        say = lambda: print("waiting")
        try:
            {WAITS[call]}
        except KeyboardInterrupt:
            print("interrupted")
        release.set()
        """)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "interrupted\n"
    # The function itself holds on for an hour: it is the wait that was ended, and soon.
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


#: ``make soak`` sets these to the full size.
EXITS = int(os.environ.get("HERSH_SOAK_EXITS", "20"))
EXECUTIONS = int(os.environ.get("HERSH_SOAK_EXECUTIONS", "100000"))


def test_the_interpreter_ends_amid_callbacks() -> None:
    program = """
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
    """
    for _ in range(EXITS):
        ended = run(program)
        assert ended.returncode == 0, ended.stderr
        assert ended.stderr == ""


def test_memory_does_not_grow_with_executions() -> None:
    program = f"""
        import hersh, resource, sys
        watcher = hersh.Watcher(hersh.WatcherConfig(signal_capacity=2000))
        rounds = {EXECUTIONS} // 1000
        @watcher.manage
        def app(msg, ctx):
            ctx.watch_tick("tick", 3600)
            ctx.memo("made", list)
            ctx.set_value("last", [msg])
            if msg and msg.content == "fail":
                raise ValueError("as asked")
        import logging
        logging.getLogger("hersh").setLevel(logging.CRITICAL)
        watcher.start()
        def serve():
            done = watcher.stats["executions"] + 1000
            for n in range(1000):
                watcher.send_message("fail" if n % 100 == 0 else "x", timeout=60)
            while watcher.stats["executions"] < done:
                watcher.wait(0.001)
        def blocks():
            import gc
            gc.collect()
            return sys.getallocatedblocks()
        for n in range(rounds // 10 + 2):
            serve()
        before, memory = blocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for n in range(rounds):
            serve()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
        # A block for every hundredth execution would be a leak; a log that fills up is none.
        assert blocks() - before < rounds * 10 + 500, (before, blocks())
        assert grown < 4096, f"{{grown}} KiB"
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def child_of_spawn(queue: multiprocessing.Queue[str]) -> None:
    watcher = hersh.Watcher()
    watcher.manage(lambda msg, ctx: queue.put(msg.content) if msg else None)
    with watcher:
        watcher.send_message("from a child")
        watcher.stop(drain=True)


def test_multiprocessing_by_spawn_works(started: Build) -> None:
    watcher = started(lambda msg, ctx: None)
    spawn = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[str] = spawn.Queue()
    child = spawn.Process(target=child_of_spawn, args=(queue,))
    child.start()
    assert queue.get(timeout=LONG) == "from a child"
    child.join(LONG)
    assert child.exitcode == 0 and watcher.is_running
    with pytest.raises(TypeError, match="pickle"):
        spawn.Process(target=print, args=(watcher,)).start()


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
