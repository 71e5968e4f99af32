"""What the tests share."""

from __future__ import annotations

from typing import Callable, Iterator, Optional

import pytest

import hersh

#: Long enough for the slowest machine; never waited for when all is well.
LONG = 60.0

Managed = Callable[[Optional[hersh.Message], hersh.Context], object]
Build = Callable[..., hersh.Watcher]


@pytest.fixture
def started() -> Iterator[Build]:
    """Builds and starts watchers, and kills them when the test is over."""
    watchers: list[hersh.Watcher] = []

    def build(managed: Managed, **config: object) -> hersh.Watcher:
        watcher = hersh.Watcher(hersh.WatcherConfig(**config), name="test")  # type: ignore[arg-type]
        watcher.manage(managed)
        watchers.append(watcher)
        watcher.start()
        return watcher

    yield build
    for watcher in watchers:
        watcher.kill()
