"""What the documents show works."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import hersh

PYTHON = Path(__file__).parent.parent


def test_the_snippets_of_the_readme_run() -> None:
    snippets = re.findall(r"```python\n(.*?)```", (PYTHON / "README.md").read_text(), re.DOTALL)
    assert snippets
    for snippet in snippets:
        subprocess.run([sys.executable, "-c", snippet], timeout=60, check=True)


def test_the_examples_in_the_docstrings_run() -> None:
    result = doctest.testmod(hersh)
    assert result.attempted > 0 and result.failed == 0


def test_the_counter_counts() -> None:
    said = subprocess.run(
        [sys.executable, PYTHON / "examples" / "counter.py", "hello"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert "message 1: hello\nmessage 2: stop\nticks: 0\n" in said
