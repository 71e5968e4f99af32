"""The cells of a notebook, in the kernel that Jupyter runs them in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from conftest import LONG
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

# What other packages are warned of is for them.
pytestmark = pytest.mark.filterwarnings("default")

CELLS = [
    "import hersh",
    "watcher = hersh.Watcher()\n@watcher.manage\ndef app(msg, ctx):\n"
    "    ctx.set_value('last', msg and msg.content)\n",
    "watcher.start()",
    "watcher.send_message('one'); watcher.stop(drain=True); print(watcher.values)",
    "@watcher.manage\ndef app(msg, ctx):\n    ctx.set_value('anew', True)\n",
    "watcher.start(); watcher.wait(60, until='Ready'); print(watcher.values)",
    "watcher = None",
    "print('the end')",
]
SAID = "{'last': 'one'}\n{'anew': True}\nthe end\n"


class Notebook:
    """A kernel, and what it has written."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager, self.client = manager, client
        self.said = ""

    def run(self, cell: str) -> str:
        """Runs a cell to its end; the name of the exception that ended it, if one did."""
        reply = self.client.execute_interactive(cell, timeout=LONG, output_hook=self.hear)
        return str(reply["content"].get("ename", ""))

    def run_and_interrupt(self, cell: str, once_said: str) -> str:
        """The same; as soon as it has written this, somebody presses the button that interrupts."""
        self.said = ""

        def hear(message: dict[str, Any]) -> None:
            self.hear(message)
            if once_said in self.said:
                self.said = ""
                self.manager.interrupt_kernel()

        reply = self.client.execute_interactive(cell, timeout=LONG, output_hook=hear)
        return str(reply["content"].get("ename", ""))

    def hear(self, message: dict[str, Any]) -> None:
        self.said += message["content"].get("text", "")


@pytest.fixture
def notebook() -> Iterator[Notebook]:
    manager, client = start_new_kernel(startup_timeout=LONG)
    try:
        yield Notebook(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_watchers_live_across_cells_and_end_with_their_kernel(notebook: Notebook) -> None:
    for cell in CELLS:
        assert notebook.run(cell) == "", cell
    assert notebook.said == SAID

    running = "watcher = hersh.Watcher(); watcher.manage(lambda msg, ctx: None); watcher.start()"
    waiting = "print('waiting', flush=True); watcher.wait()"
    assert notebook.run(running) == ""
    assert notebook.run_and_interrupt(waiting, once_said="waiting") == "KeyboardInterrupt"
    notebook.said = ""
    assert notebook.run("print(watcher.is_running)") == "" and notebook.said == "True\n"

    # A live watcher does not keep its kernel.
    notebook.client.shutdown()
    notebook.manager.finish_shutdown(waittime=LONG)
    assert not notebook.manager.is_alive()
