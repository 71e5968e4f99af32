"""Tries the server in a simulation: nothing waits, and an hour takes a moment."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import hersh
from hersh.testing import Simulation

import main


class Server(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.sim = Simulation(seed=7)

    def start(self) -> hersh.Watcher:
        watcher = self.sim.watcher(name="test")
        main.install(watcher, main.Counter(self.folder))
        watcher.start()
        self.sim.run_until_idle()
        return watcher

    def send(self, watcher: hersh.Watcher, message: str) -> None:
        watcher.send_message(message)
        self.sim.run_until_idle()

    def test_seconds_and_messages_count_and_the_file_says_so(self) -> None:
        watcher = self.start()
        self.sim.advance(600)
        self.send(watcher, "tick")
        self.send(watcher, "nonsense")
        self.assertEqual(watcher.values["COUNTER"], 601)
        self.assertEqual((self.folder / "counter.txt").read_text(), "601\n")

    def test_the_count_survives_and_can_be_reset(self) -> None:
        self.send(self.start(), "tick")
        again = self.start()
        self.assertEqual(again.values["COUNTER"], 1)
        self.send(again, "reset")
        self.assertEqual(again.values["COUNTER"], 0)
        self.send(again, "stop")
        self.assertEqual(again.state, hersh.State.STOPPED)


if __name__ == "__main__":
    unittest.main()
