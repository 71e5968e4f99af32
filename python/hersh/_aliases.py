"""The context's methods as functions, for programs that prefer them so."""

from __future__ import annotations

from typing import Any, Callable, Optional

from ._config import Seconds
from ._hersh import Context, Watched


def watch_call(fn: Callable[..., Any], name: str, tick: Seconds, ctx: Context) -> Watched:
    """``ctx.watch_call(name, fn, every=tick)``"""
    return ctx.watch_call(name, fn, every=tick)


def watch_flow(source: Any, name: str, ctx: Context) -> Watched:
    """``ctx.watch_flow(name, source)``"""
    return ctx.watch_flow(name, source)


def watch_tick(name: str, tick: Seconds, ctx: Context) -> Watched:
    """``ctx.watch_tick(name, every=tick)``"""
    return ctx.watch_tick(name, every=tick)


def memo(fn: Callable[[], Any], name: str, ctx: Context) -> Any:
    """``ctx.memo(name, fn)``"""
    return ctx.memo(name, fn)


def clear_memo(name: str, ctx: Context) -> bool:
    """``ctx.clear_memo(name)``"""
    return ctx.clear_memo(name)


def get_value(key: str, ctx: Context, default: Any = None) -> Any:
    """``ctx.get_value(key, default)``"""
    return ctx.get_value(key, default)


def set_value(key: str, value: Any, ctx: Context) -> None:
    """``ctx.set_value(key, value)``"""
    ctx.set_value(key, value)


def update_value(key: str, fn: Callable[[Any], Any], ctx: Context) -> Any:
    """``ctx.update_value(key, fn)``"""
    return ctx.update_value(key, fn)


def get_env(key: str, ctx: Context, default: Optional[str] = None) -> Optional[str]:
    """``ctx.get_env(key, default)``"""
    return ctx.get_env(key, default)
