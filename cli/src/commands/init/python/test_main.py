"""Tries {{name}} in a simulation: nothing waits, and an hour takes a moment.

PYTHONPATH=vendor python3 test_main.py
"""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import hersh
from hersh.testing import Simulation

import main


class Program(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.sim = Simulation(seed=7)

    def start(self) -> hersh.Watcher:
        watcher = self.sim.watcher(name="test")
        main.install(watcher, main.Count(self.folder))
        watcher.start()
        self.sim.run_until_idle()
        return watcher

    def answer(self, watcher: hersh.Watcher, message: str) -> object:
        watcher.send_message(message)
        self.sim.run_until_idle()
        return watcher.values["answer"]

    def test_an_hour_is_counted(self) -> None:
        watcher = self.start()
        self.sim.advance(3600)
        self.assertEqual(watcher.values["seconds"], 3600)

    def test_messages_are_answered(self) -> None:
        watcher = self.start()
        self.assertEqual(self.answer(watcher, "add 40"), "added 40: 40 seconds")
        self.assertEqual(self.answer(watcher, "status"), "40 seconds")
        self.assertEqual(self.answer(watcher, "hello"), "say status, add N or stop")
        watcher.send_message("stop")
        self.sim.run_until_idle()
        self.assertEqual(watcher.state, hersh.State.STOPPED)

    def test_the_count_survives(self) -> None:
        self.answer(self.start(), "add 2")
        self.assertEqual(self.answer(self.start(), "status"), "2 seconds")


if __name__ == "__main__":
    unittest.main()
