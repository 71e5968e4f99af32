"""What outlives a session: persisted values, and the journal."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Optional

import pytest
from conftest import LONG

import hersh
from hersh import State

Ctx = hersh.Context
Msg = Optional[hersh.Message]


def served(config: hersh.WatcherConfig, app: Any, *messages: str) -> hersh.Watcher:
    """A watcher that has served messages, and was stopped."""
    watcher = hersh.Watcher(config, name="kept", env={"UNIT": "°C"})
    watcher.manage(app)
    watcher.start()
    for message in messages:
        watcher.send_message(message)
    assert watcher.stop(drain=True).state is State.STOPPED
    return watcher


@pytest.mark.parametrize("when", ["each_execution", "at_stop"])
def test_values_survive_the_process(tmp_path: Path, when: Any) -> None:
    file = tmp_path / "values.json"
    found: list[Any] = []

    def app(msg: Msg, ctx: Ctx) -> None:
        if msg is None:
            found.append(ctx.get_value("kept"))
            found.append(ctx.update_value("starts", lambda n: (n or 0) + 1))
        else:
            ctx.set_value("kept", {"list": [1, 2.5, None, True], "text": msg.content})

    config = hersh.WatcherConfig(persist=hersh.Persist(file, when=when))
    served(config, app, "é")
    assert json.loads(file.read_text("utf-8"))["values"]["starts"] == 1
    watcher = served(hersh.WatcherConfig(persist=str(file)), app)
    assert found == [None, 1, {"list": [1, 2.5, None, True], "text": "é"}, 2]
    assert watcher.values == {"starts": 2, "kept": found[2]}


def test_what_is_no_json_is_never_persisted(tmp_path: Path) -> None:
    file = tmp_path / "values.json"
    cycle: list[Any] = []
    cycle.append(cycle)
    live = {
        "object": object(),
        "within": {"list": [object()]},
        "keys": {1: 2},
        "number": float("nan"),
        "huge": 2**64,
        "bytes": b"x",
        "cycle": cycle,
    }

    def app(msg: Msg, ctx: Ctx) -> None:
        ctx.set_value("plain", 7)
        for key, value in live.items():
            ctx.set_value(key, value)
            assert ctx.get_value(key) is value

    watcher = served(hersh.WatcherConfig(persist=file), app)
    assert json.loads(file.read_text())["values"] == {"plain": 7}
    assert all(watcher.values[key] is value for key, value in live.items())
    (entry,) = watcher.logs("context")
    assert all(key in entry.text for key in live)


def test_what_cannot_be_read_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "values.json"
    file.write_text("a diary")
    watcher = hersh.Watcher(hersh.WatcherConfig(persist=file))
    watcher.manage(lambda msg, ctx: None)
    with pytest.raises(hersh.PersistError, match="damaged"):
        watcher.start()
    assert watcher.state is State.NOT_RUN and file.read_text() == "a diary"


def test_kill_9_loses_nothing_that_was_completed(tmp_path: Path) -> None:
    file = tmp_path / "values.json"
    program = f"""
        import hersh, os, signal
        watcher = hersh.Watcher(hersh.WatcherConfig(persist={str(file)!r}))
        @watcher.manage
        def app(msg, ctx):
            n = ctx.update_value("n", lambda n: (n or 0) + 1)
            if n == 50:
                os.kill(os.getpid(), signal.SIGKILL)
            watcher.send_message("again")
        watcher.run()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], timeout=LONG, check=False)
    assert json.loads(file.read_text())["values"]["n"] == 49


def test_a_journal_is_replayed_without_waiting(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    readings = iter([1, 1, [2], [2], 3])
    plain: queue.Queue[Any] = queue.Queue()
    live: list[Any] = []

    def build(seen: list[Any], poll: Any, source: Any) -> Any:
        def app(msg: Msg, ctx: Ctx) -> None:
            value = ctx.watch_call("value", poll, every=0.001)
            event = ctx.watch_flow("event", source)
            ctx.watch_tick("tick", every=0.001)
            seen.append((ctx.execution, ctx.trigger, value.value, event.value, ctx.get_env("UNIT")))
            if msg and msg.content == "fail":
                raise ValueError("as asked")
            if value.value == 3 and event.value:
                raise hersh.StopError("seen all")

        return app

    config = hersh.WatcherConfig(journal=hersh.Journal(file, max_bytes=1 << 20, keep=2))
    watcher = hersh.Watcher(config, env={"UNIT": "m"})
    watcher.manage(build(live, lambda: next(readings, 3), plain))
    watcher.start()
    watcher.send_message("fail")
    # Without this it does not stop; so the message is served, whatever else has come before.
    plain.put({"n": 1})
    assert watcher.wait(LONG) and watcher.state is State.STOPPED

    def never() -> Any:
        raise AssertionError("a replay asks nobody")

    again: list[Any] = []
    replayed = hersh.replay(file, build(again, never, iter(never, 0)), env={"UNIT": "m"})
    assert replayed.divergence is None and not replayed.torn, repr(replayed)
    assert again == live and replayed.transitions > 0 and replayed.inputs > 0

    def another(msg: Msg, ctx: Ctx) -> None:
        # What is watched may have come before the message or after it.
        ctx.watch_call("value", never, every=0.001)
        ctx.watch_flow("event", iter(never, 0))
        ctx.watch_tick("tick", every=0.001)
        if msg:
            raise hersh.StopError("too early")

    divergence = hersh.replay(file, another).divergence
    assert divergence is not None and divergence.index > 0 and divergence.at > 0
    assert divergence.expected == "Running -> Ready: returned an error"
    assert "expected" in str(divergence)


def test_a_program_is_replayed_without_a_line_of_its_own(tmp_path: Path) -> None:
    program = """
        import os, queue, sys
        import hersh

        source = queue.Queue()
        source.put(1)
        watcher = hersh.Watcher(hersh.WatcherConfig(journal="journal", persist="values"), name="bot")

        @watcher.manage
        def app(msg, ctx):
            event = ctx.watch_flow("event", source)
            ctx.set_value("n", (ctx.get_value("n") or 0) + 1)
            if msg and msg.content == "stop":
                raise hersh.StopError("twisted" if "TWIST" in os.environ else "told to")
            if event.triggered:
                watcher.send_message("stop")

        @watcher.cleanup
        def bye(ctx):
            print("bye")

        report = watcher.run()
        print(report.state, watcher.values["n"], source.qsize())
    """

    def run(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            cwd=tmp_path,
            env={**os.environ, **more},
            capture_output=True,
            text=True,
            timeout=LONG,
            check=False,
        )

    lived = run()
    assert lived.stdout == "bye\nStopped 3 0\n", lived.stderr
    kept = (tmp_path / "values").read_bytes()
    asked = {"HERSH_REPLAY": "journal", "HERSH_REPLAY_REPORT": "report"}
    replayed = run(**asked)
    # Nobody cleans up after a replay, and nobody takes from a queue.
    assert replayed.stdout == "Stopped 3 1\n", replayed.stderr
    report = json.loads((tmp_path / "report").read_text())
    assert report["divergence"] is None and report["transitions"] > 0
    twisted = run(**asked, TWIST="1")
    assert twisted.returncode == 1 and "JournalError: the replay" in twisted.stderr, twisted.stderr
    report = json.loads((tmp_path / "report").read_text())
    assert report["divergence"]["found"].endswith("twisted")
    assert (tmp_path / "values").read_bytes() == kept


def test_what_is_no_json_cannot_be_given_again(tmp_path: Path) -> None:
    file = tmp_path / "journal"

    def app(msg: Msg, ctx: Ctx) -> None:
        if ctx.watch_call("value", object, every=0.001).triggered:
            raise hersh.StopError

    watcher = hersh.Watcher(hersh.WatcherConfig(journal=file))
    watcher.manage(app)
    watcher.start()
    assert watcher.wait(LONG)
    with pytest.raises(hersh.JournalError, match="value"):
        hersh.replay(file, app)


def test_journals_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(hersh.JournalError, match="missing"):
        hersh.replay(tmp_path / "missing", lambda msg, ctx: None)
    (tmp_path / "diary").write_text("a diary\nof two lines\n")
    with pytest.raises(hersh.JournalError):
        hersh.replay(tmp_path / "diary", lambda msg, ctx: None)
    with pytest.raises(TypeError, match="cannot be called"):
        hersh.replay(tmp_path / "diary", 7)  # type: ignore[arg-type]


def test_ctrl_c_ends_a_replay(tmp_path: Path) -> None:
    served(hersh.WatcherConfig(journal=tmp_path / "journal"), lambda msg, ctx: None, "a")

    def interrupted(msg: Msg, ctx: Ctx) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hersh.replay(tmp_path / "journal", interrupted)


def test_the_api_can_be_asked_for(tmp_path: Path) -> None:
    import urllib.error
    import urllib.request

    token = "correct horse"
    config = hersh.WatcherConfig(api=hersh.ApiConfig(port=0, token=token))
    watcher = hersh.Watcher(config)
    watcher.manage(lambda msg, ctx: None)
    assert watcher.api_url is None and token not in repr(config)
    with watcher:
        assert watcher.api_url is not None and watcher.api_url.startswith("http://127.0.0.1:")
        status = watcher.api_url + "/watcher/status"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(status)
        asked = urllib.request.Request(status, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(asked) as answer:
            assert json.load(answer)["watcherID"] == watcher.id
        port = int(watcher.api_url.rsplit(":", 1)[1])
        other = hersh.Watcher(hersh.WatcherConfig(api=hersh.ApiConfig(host="localhost", port=port)))
        other.manage(lambda msg, ctx: None)
        with pytest.raises(hersh.ApiError, match=str(port)):
            other.start()
    assert hersh.Watcher(hersh.WatcherConfig(api=False)).api_url is None


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (hersh.WatcherConfig(persist=hersh.Persist("x", when="never")), "persist.when"),  # type: ignore[arg-type]
        (hersh.WatcherConfig(journal=hersh.Journal("x", keep=-1)), "journal.keep"),
        (hersh.WatcherConfig(journal=hersh.Journal("x", max_bytes=1)), "journal.max_bytes"),
        (hersh.WatcherConfig(api=hersh.ApiConfig(port=70_000)), "port"),
        (hersh.WatcherConfig(api=hersh.ApiConfig(host="no address")), "api.host"),
        (hersh.WatcherConfig(api=hersh.ApiConfig(token="")), "api.token"),
    ],
)
def test_nonsense_is_refused_by_its_name(config: hersh.WatcherConfig, words: str) -> None:
    with pytest.raises(hersh.ConfigError, match=words):
        hersh.Watcher(config)
