"""The pytest plugin: found by pytest through the entry point ``pytest11``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import Simulation


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "hersh_seed(seed): the seed of the fixture hersh_sim")


@pytest.fixture
def hersh_sim(request: pytest.FixtureRequest) -> Simulation:
    """A fresh ``hersh.testing.Simulation``, with the seed of the marker ``hersh_seed``, else 0."""
    # Not at the top: plugins are imported in every run of pytest, those that test no watchers too.
    from .testing import Simulation

    marker = request.node.get_closest_marker("hersh_seed")
    return Simulation(seed=marker.args[0] if marker else 0)
