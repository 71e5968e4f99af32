"""Tickets: added, waited for, run, settled; in stores of Rust and of Python."""

from __future__ import annotations

import gc
import logging
import os
import queue
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from conftest import LONG
from dict_store import DictStore

import hersh
from hersh import kharon
from hersh.kharon import (
    Claim,
    Kharon,
    MemoryStore,
    Router,
    Settings,
    SqliteStore,
    Ticket,
    VirtualClock,
)

Factory = Callable[[VirtualClock], Any]
HOUR = 3600.0


@pytest.fixture(params=["memory", "sqlite", "python"])
def factory(request: pytest.FixtureRequest, tmp_path: Path) -> Factory:
    made = 0

    def sqlite(clock: VirtualClock) -> SqliteStore:
        nonlocal made
        made += 1
        return SqliteStore(tmp_path / f"{made}.db", durability="normal", clock=clock)

    kinds: dict[str, Factory] = {
        "memory": lambda clock: MemoryStore(clock=clock),
        "sqlite": sqlite,
        "python": DictStore,
    }
    return kinds[request.param]


def test_every_store_is_held_to_one_suite(factory: Factory) -> None:
    assert kharon.conformance(factory) >= 40


def test_a_store_that_does_not_hold_is_told_what_does_not() -> None:
    class Forgetful(DictStore):
        def get(self, id: str) -> None:
            return None

    with pytest.raises(AssertionError, match=r"of \d+ checks do not hold"):
        kharon.conformance(Forgetful)
    with pytest.raises(ValueError, match="no such check"):
        kharon.conformance(DictStore, only="nothing")

    def broken(clock: VirtualClock) -> Any:
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        kharon.conformance(broken)


def test_tickets_run_in_order_of_nice_and_time(factory: Factory) -> None:
    clock, router, ran = VirtualClock(), Router(), list[Any]()
    queue = Kharon(factory(clock), Settings(workers=1), clock=clock)

    @router.handle("work")
    def work(claim: Claim) -> None:
        ran.append((claim.id, claim.json()))

    queue.add(Ticket("work", 1, id="a"))
    queue.add(Ticket("work", [2], id="b", nice=1))
    queue.add(Ticket("work", {"n": 3}, id="c", delay=HOUR, nice=0))
    queue.add(Ticket("work", "4", id="d", runat=clock.now() + HOUR / 2))
    stepper = queue.stepper(router)
    assert stepper.run_for(clock, 60) == 2 and stepper.run_for(clock, HOUR) == 2
    assert ran == [("b", [2]), ("a", 1), ("d", 4), ("c", {"n": 3})]
    assert queue.stats().done == queue.stats().total == 4


def test_handlers_settle_as_they_like(factory: Factory) -> None:
    clock, router = VirtualClock(), Router()
    left: list[Claim] = []
    settings = Settings(max_attempts=2, jitter=0.0, process_time=600)
    queue = Kharon(factory(clock), settings, clock=clock)

    def leave(claim: Claim) -> None:
        claim.extend()
        claim.leave()
        left.append(claim)

    handlers: dict[str, Callable[[Claim], object]] = {
        "done": lambda claim: claim.done(payload={"result": 7}),
        "ack": lambda claim: claim.ack(),
        "kept": lambda claim: claim.ack(keep=True),
        "fail": lambda claim: claim.fail("for good"),
        "cancel": lambda claim: claim.cancel("unwanted", keep=True),
        "retry": lambda claim: claim.retry(HOUR, nice=3) if claim.attempts == 1 else None,
        "leave": leave,
        "raise": lambda claim: 1 / 0,
    }
    for name, handler in handlers.items():
        router.handle(name)(handler)
        queue.add(Ticket(name, id=name))
    queue.add(Ticket("unknown", id="unknown"))
    stepper = queue.stepper(router)
    stepper.run_for(clock, 60)
    status = {name: found.status for name in handlers if (found := queue.get(name))}
    assert status == {
        "done": "done",
        "kept": "done",
        "fail": "failed",
        "cancel": "cancelled",
        "retry": "pending",
        "leave": "pending",
        "raise": "failed",
    }
    done, failed, raised = queue.get("done"), queue.get("fail"), queue.get("raise")
    assert done and done.json() == {"result": 7} and failed and failed.error_reason == "for good"
    assert raised and raised.attempts == 2 and raised.error_reason
    assert raised.error_reason.startswith("ZeroDivisionError") and "Traceback" in raised.error_reason
    assert (missed := queue.get("unknown")) and missed.status == "failed"
    with pytest.raises(hersh.StateError, match="has returned"):
        left[0].done()
    queue.done(left[0].ticket)
    with pytest.raises(kharon.StaleClaim):
        queue.fail(left[0].ticket)
    with pytest.raises(kharon.TicketSettled) as settled:
        queue.done("leave")
    assert settled.value.status == "done"
    stepper.run_for(clock, HOUR)
    assert (again := queue.get("retry")) and again.status == "done" and again.nice == 3


def test_errors_name_what_is_wrong(factory: Factory) -> None:
    queue = Kharon(factory(VirtualClock()))
    queue.add(Ticket("work", id="a", unique_key="key"))
    with pytest.raises(kharon.TicketExists, match="id a") as exists:
        queue.add(Ticket("work", id="a"))
    assert exists.value.id == "a"
    with pytest.raises(kharon.KeyTaken, match="ticket a"):
        queue.add(Ticket("work", unique_key="key"))
    assert queue.add_if_absent(Ticket("work", unique_key="key")) == "a"
    assert queue.add_if_absent(Ticket("work", id="b")) is None
    assert queue.add_or_replace(Ticket("other", id="b")) and queue.get("b")
    answers = queue.add_all([Ticket("work", id="a"), Ticket("work", id="c")])
    assert isinstance(answers[0], kharon.TicketExists) and answers[1] is None
    for call in (queue.done, queue.fail, queue.delete, queue.revive):
        with pytest.raises(kharon.TicketNotFound):
            call("missing")
    with pytest.raises(kharon.NotDead):
        queue.revive("a")
    with pytest.raises(kharon.GroupNotFound):
        queue.add(Ticket("work", group="none"))
    with pytest.raises(kharon.InvalidTicket):
        queue.open_group("g")
        queue.add(Ticket("work", group="g", every=60))
    assert queue.get("missing") is None and queue.get("") is None


def test_groups_run_their_finalizers_when_they_are_finished(factory: Factory) -> None:
    clock, router, ran = VirtualClock(), Router(), list[str]()
    queue = Kharon(factory(clock), clock=clock)
    router.not_found(lambda claim: ran.append(claim.type))
    queue.open_group("import", finalizers=[Ticket("report", id="last")], expire_in=HOUR)
    with pytest.raises(kharon.GroupExists):
        queue.open_group("import")
    for n in range(3):
        queue.add(Ticket("row", n, group="import"))
    with pytest.raises(kharon.GroupPending) as pending:
        queue.delete_group("import")
    assert pending.value.pending == 3
    queue.close_group("import")
    with pytest.raises(kharon.GroupClosed):
        queue.add(Ticket("row", group="import"))
    queue.stepper(router).run_for(clock, 60)
    assert ran == ["row"] * 3 + ["report"]
    group = queue.group("import")
    assert group and (group.done, group.total, group.finalizers) == (3, 3, ["last"])
    assert group.finished_at is not None
    queue.delete_group("import")
    assert queue.group("import") is None


def test_dead_letters_come_back_and_lists_have_pages(factory: Factory) -> None:
    queue = Kharon(factory(VirtualClock()))
    for n in range(25):
        queue.add(Ticket("even" if n % 2 == 0 else "odd", id=str(n)))
        queue.fail(str(n), "no")
    seen, after = list[str](), None
    while True:
        page = queue.list(status="failed", type="even", at_most=4, after=after)
        seen += [ticket.id for ticket in page.tickets]
        after = page.next
        if after is None:
            break
    assert sorted(seen, key=int) == [str(n) for n in range(0, 25, 2)]
    assert queue.revive_all(type="odd") == 12 and queue.stats().failed == 13
    assert "kharon" in queue.prometheus()


def test_workers_start_at_once_and_stop_in_good_order(factory: Factory) -> None:
    clock, router, running = VirtualClock(), Router(), threading.Event()
    go_on, served = threading.Event(), queue.Queue[str]()
    tickets = Kharon(factory(clock), Settings(workers=2, max_poll_interval=HOUR))

    @router.handle("slow")
    def slow(claim: Claim) -> None:
        running.set()
        assert go_on.wait(LONG) and claim.is_stopping

    @router.handle("quick")
    def quick(claim: Claim) -> None:
        served.put(claim.id)

    with tickets:
        tickets.start(router)
        with pytest.raises(hersh.StateError, match="running already"):
            tickets.start(router)
        for n in range(10):
            tickets.add(Ticket("quick", id=f"quick {n}"))
            assert served.get(timeout=LONG) == f"quick {n}"
        tickets.add(Ticket("slow", id="slow"))
        assert running.wait(LONG) and not tickets.is_stopping
        threading.Timer(0.05, go_on.set).start()
        report = tickets.stop(LONG)
        assert (report.still_running, report.given_back, report.unsaved) == (0, 0, 0)
    assert (slowly := tickets.get("slow")) and slowly.status == "done"


def test_limits_hold_within_a_process() -> None:
    router, at_once, most = Router(), 0, 0
    lock, all_done = threading.Lock(), threading.Semaphore(0)
    queue = Kharon(MemoryStore(), Settings(workers=8))

    @router.handle("work")
    def work(claim: Claim) -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.002)
        with lock:
            at_once -= 1
        all_done.release()

    router.limit("work", concurrency=2, rate=(1000, 1.0))
    queue.start(router)
    queue.add_all([Ticket("work") for _ in range(30)])
    for _ in range(30):
        assert all_done.acquire(timeout=LONG)
    queue.stop(LONG)
    assert 1 <= most <= 2


def test_a_store_of_python_that_fails_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    class Full(DictStore):
        def add(self, additions: Any) -> Any:
            raise kharon.StoreError("no room", "full")

        def get(self, id: str) -> Any:
            raise OSError("unplugged")

        def stats(self) -> Any:
            return 7

    queue = Kharon(Full(VirtualClock()))
    with pytest.raises(kharon.StoreError, match="no room") as full:
        queue.add(Ticket("work"))
    assert full.value.fault == "full"
    with caplog.at_level(logging.ERROR, "hersh"), pytest.raises(kharon.StoreError) as broken:
        queue.get("x")
    assert broken.value.fault == "broken" and "unplugged" in str(broken.value)
    assert "unplugged" in caplog.text
    with pytest.raises(kharon.StoreError, match="StoreStats"):
        queue.stats()


def test_tickets_survive_kill_9(tmp_path: Path) -> None:
    file = tmp_path / "tickets.db"
    program = f"""
        import os, signal
        from hersh.kharon import Kharon, SqliteStore, Ticket
        kharon = Kharon(SqliteStore({str(file)!r}))
        for n in range(20):
            kharon.add(Ticket("work", n, id=str(n)))
            print(n, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        timeout=LONG,
        check=False,
    )
    assert len(ran.stdout.split()) == 20
    store = SqliteStore(file)
    store.verify()
    assert Kharon(store).stats().pending == 20 and Path(store.path) == file
    (tmp_path / "diary").write_text("a diary, and by no means a database of tickets" * 100)
    with pytest.raises(kharon.StoreError):
        SqliteStore(tmp_path / "diary")
    with pytest.raises(ValueError, match="durability"):
        SqliteStore(file, durability="none")  # type: ignore[arg-type]


def test_ctrl_c_ends_a_run() -> None:
    program = """
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from hersh.kharon import Kharon, MemoryStore, Router, Ticket
        kharon, router = Kharon(MemoryStore()), Router()
        router.handle("work")(lambda claim: print("runs", flush=True))
        kharon.add(Ticket("work", id="one"))
        try:
            kharon.run(router)
        except KeyboardInterrupt:
            print(kharon.get("one").status, kharon.is_stopping, flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "runs\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=LONG)[0] == "done True\n" and process.returncode == 0


def test_the_interpreter_ends_with_workers_at_work() -> None:
    for handler in ["None", "time.sleep(1000)", "busy()"]:
        program = f"""
            import threading, time
            from hersh.kharon import Kharon, MemoryStore, Router, Ticket
            def busy():
                while True: pass
            begun = threading.Event()
            router = Router()
            @router.handle("work")
            def work(claim):
                begun.set()
                {handler}
            kharon = Kharon(MemoryStore())
            kharon.start(router)
            kharon.add_all([Ticket("work") for _ in range(100)])
            begun.wait()
        """
        ended = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            capture_output=True,
            text=True,
            timeout=LONG,
            check=False,
        )
        assert ended.returncode == 0 and "Fatal" not in ended.stderr, ended.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork()")
def test_a_kharon_does_not_survive_fork_and_says_so() -> None:
    program = """
        import os, warnings
        warnings.simplefilter("ignore")
        import hersh
        from hersh.kharon import Kharon, MemoryStore, Router, Ticket
        store = MemoryStore()
        kharon = Kharon(store)
        kharon.start(Router())
        if os.fork() == 0:
            for call in (lambda: kharon.add(Ticket("x")), lambda: Kharon(store), kharon.stop):
                try:
                    call()
                except hersh.ForkError:
                    continue
                os._exit(1)
            del kharon, store
            os._exit(0)
        assert os.wait()[1] == 0
        kharon.add(Ticket("x"))
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def test_tickets_say_what_they_are() -> None:
    ticket = Ticket("work", b"\x00\xff", id="one", tube="slow", group="g", unique_key="u", delay=1)
    assert (ticket.payload, ticket.tube, ticket.group, ticket.unique_key) == (
        b"\x00\xff",
        "slow",
        "g",
        "u",
    )
    assert ticket.delay == 1 and ticket.runat is None and not ticket.repeats
    assert ticket == Ticket("work", b"\x00\xff", id="one", tube="slow", group="g", unique_key="u", delay=1)
    assert Ticket("work").id != Ticket("work").id and len(kharon.random_id()) == 36
    assert Ticket("work", cron="0 6 * * 1", catch_up=3).repeats
    for wrong in (
        dict(type=""),
        dict(type="x", id="a\nb"),
        dict(type="x", delay=1, runat=2.0),
        dict(type="x", every=1, cron="* * * * *"),
        dict(type="x", every=0.5),
        dict(type="x", cron="never"),
        dict(type="x", every=60, catch_up="all"),
    ):
        with pytest.raises(ValueError):
            Ticket(**wrong)
    queue = Kharon(MemoryStore())
    queue.add(Ticket("work", id="kept", every=60))
    kept = queue.get("kept")
    assert kept and Ticket.kept(**kept.fields()) == kept
    with pytest.raises(ValueError, match="not been added"):
        ticket.fields()


def test_nonsense_in_settings_is_refused_by_its_name() -> None:
    for field, value in [("workers", 0), ("jitter", 2.0), ("tubes", []), ("backoff_base", 0.1)]:
        settings = Settings()
        setattr(settings, field, value)
        with pytest.raises(hersh.ConfigError, match=field.split("_")[0]):
            Kharon(MemoryStore(), settings)


HAS_POSTGRES = "postgres" in hersh._hersh.features


@pytest.mark.skipif(HAS_POSTGRES, reason="a build with PostgreSQL")
def test_where_there_is_no_postgres_the_remedy_is_named() -> None:
    with pytest.raises(kharon.MissingFeature, match="--features kharon-postgres"):
        kharon.PostgresStore("postgresql://localhost/x")


@pytest.mark.skipif(not HAS_POSTGRES, reason="a build without PostgreSQL: see python/soak")
def test_tickets_in_postgres() -> None:
    address = os.environ["HERSH_TEST_POSTGRES"]
    tickets = Kharon(kharon.PostgresStore(address, schema="python_test"))
    tickets.add_or_replace(Ticket("work", {"n": 1}, id="one"))
    router, done = Router(), threading.Event()
    router.handle("work")(lambda claim: done.set())
    tickets.start(router)
    assert done.wait(LONG) and tickets.stop(LONG).still_running == 0
    assert (one := tickets.get("one")) and one.status == "done" and one.json() == {"n": 1}
    with pytest.raises(kharon.StoreError, match="address"):
        kharon.PostgresStore("no address")


def test_nothing_is_left_when_a_kharon_is_gone() -> None:
    class Store(DictStore):
        pass

    store = Store(VirtualClock())
    queue = Kharon(store)
    queue.start(Router())
    before = sum(isinstance(thing, Store) for thing in gc.get_objects())
    del queue, store
    deadline = time.monotonic() + LONG
    while sum(isinstance(thing, Store) for thing in gc.get_objects()) >= before:
        assert time.monotonic() < deadline, "a thread or a cycle keeps it"
        gc.collect()
        # What Rust has let go of without the interpreter is released with the next call of hersh.
        VirtualClock()
        time.sleep(0.01)
