"""Every name and signature that the specification gives, and every word of help."""

from __future__ import annotations

import ast
import enum
import inspect
import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hersh
import hersh.kharon
import hersh.testing

CONTEXT = """message trigger attempt execution watcher_id deadline cancelled now watch_call watch_flow
watch_tick unwatch memo clear_memo get_value set_value update_value get_env log""".split()
WATCHER = """manage cleanup start stop kill send_message wait run start_api_server state id name
is_running api_url stats logs __enter__ __exit__""".split()
MODULE = """Watcher WatcherConfig RecoveryPolicy State Error StopError KillError CrashError QueueFull
StateError LimitError StopTimeout CancelToken Channel replay""".split()
KHARON = """Kharon Ticket Settings MemoryStore SqliteStore PostgresStore Router Store Claim
conformance rules""".split()
SIGNATURES = {
    hersh.Watcher.stop: {"timeout": None, "drain": False},
    hersh.Watcher.send_message: {"content": inspect.Parameter.empty, "timeout": None},
    hersh.Watcher.wait: {"timeout": None, "until": None},
    hersh.Watcher.start_api_server: {"port": 0, "host": "127.0.0.1"},
    hersh.replay: {"journal": inspect.Parameter.empty, "fn": inspect.Parameter.empty, "env": None},
}
FIELDS: dict[type[Any], dict[str, object]] = {
    hersh.WatcherConfig: {
        "default_timeout": 5.0,
        "stop_timeout": 10.0,
        "signal_capacity": 1024,
        "max_log_entries": 1000,
        "max_memo_entries": 100,
        "max_watches": 1000,
        "recovery": hersh.RecoveryPolicy(),
        "persist": None,
        "journal": None,
        "api": None,
    },
    hersh.RecoveryPolicy: {
        "max_retries": 3,
        "retry_delay": 1.0,
        "backoff_factor": 2.0,
        "max_delay": 60.0,
        "jitter": 0.0,
    },
}
ALIASES = {
    "watch_call": ["fn", "name", "tick", "ctx"],
    "watch_flow": ["source", "name", "ctx"],
    "watch_tick": ["name", "tick", "ctx"],
    "memo": ["fn", "name", "ctx"],
    "clear_memo": ["name", "ctx"],
    "get_value": ["key", "ctx", "default"],
    "set_value": ["key", "value", "ctx"],
    "update_value": ["key", "fn", "ctx"],
    "get_env": ["key", "ctx", "default"],
}


def test_the_names_are_there() -> None:
    surface: list[tuple[Any, list[str]]] = [
        (hersh.Context, CONTEXT),
        (hersh.Watcher, WATCHER),
        (hersh, MODULE),
        (hersh.kharon, KHARON),
    ]
    for owner, names in surface:
        assert [name for name in names if not hasattr(owner, name)] == []
    for name in ["value", "error", "updated", "triggered"]:
        assert hasattr(hersh.Watched, name)
    assert hasattr(hersh.testing, "Simulation")
    assert set(hersh.__all__) <= set(dir(hersh))


@pytest.mark.parametrize("call", SIGNATURES, ids=lambda call: str(call.__name__))
def test_signatures(call: Any) -> None:
    parameters = inspect.signature(call).parameters
    found = {name: parameter.default for name, parameter in parameters.items() if name != "self"}
    assert found == SIGNATURES[call]


def test_what_is_given_to_a_watcher() -> None:
    watcher = hersh.Watcher(hersh.WatcherConfig(), env={"A": "b"}, name="n", parent=hersh.CancelToken())
    assert watcher.name == "n"
    with pytest.raises(TypeError):
        hersh.Watcher(None, {"A": "b"})  # type: ignore[call-arg]


@pytest.mark.parametrize("settings", FIELDS, ids=lambda settings: str(settings.__name__))
def test_settings_are_named_and_have_these_defaults(settings: Any) -> None:
    parameters = inspect.signature(settings).parameters.values()
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters)
    assert vars(settings()) == FIELDS[settings]
    assert settings() == settings() and settings() != 7
    assert repr(settings()).startswith(settings.__name__ + "(")


def test_the_forms_of_the_module_are_those_of_the_context() -> None:
    for name, arguments in ALIASES.items():
        assert list(inspect.signature(getattr(hersh, name)).parameters) == arguments


def test_errors_have_one_above_all() -> None:
    errors = [getattr(hersh, name) for name in hersh.__all__]
    errors = [e for e in errors if isinstance(e, type) and issubclass(e, BaseException)]
    assert len(errors) >= 15 and all(issubclass(error, hersh.Error) for error in errors)


def described(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """What the stubs say of each name: the first paragraph."""
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            members = node.body if isinstance(node, ast.ClassDef) else []
            inner = [member for member in members if isinstance(member, ast.FunctionDef)]
            for member in [node, *inner]:
                name = node.name if member is node else f"{node.name}.{member.name}"
                words = ast.get_docstring(member)
                if words and not member.name.startswith("__"):
                    yield name, " ".join(words.split("\n\n")[0].split())


def test_help_says_what_the_stubs_say() -> None:
    said: dict[str, str] = {}
    for stub in ["_hersh", "_native_kharon", "_native_stores", "_native_testing"]:
        text = Path(hersh.__file__).with_name(f"{stub}.pyi").read_text("utf-8")
        said.update(described(ast.parse(text)))
    assert len(said) > 200
    for name, words in said.items():
        thing = operator.attrgetter(name)(hersh._hersh)
        assert " ".join(thing.__doc__.split()) == words, name


def test_everything_public_is_described() -> None:
    for module in [hersh, hersh.testing, hersh.kharon]:
        assert module.__doc__
        for name in module.__all__:
            thing = getattr(module, name)
            assert not callable(thing) or thing.__doc__, name
            members = vars(thing) if inspect.isclass(thing) else {}
            for member in members:
                described = getattr(thing, member)
                if member.startswith("_") or isinstance(thing, enum.EnumMeta) or described is None:
                    continue
                assert described.__doc__, f"{name}.{member}"
