"""What the documents show works."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hersh

PYTHON = Path(__file__).parent.parent


def test_the_snippets_of_the_readme_run(tmp_path: Path) -> None:
    snippets = re.findall(r"```python\n(.*?)```", (PYTHON / "README.md").read_text(), re.DOTALL)
    assert len(snippets) >= 4
    for snippet in snippets:
        file = tmp_path / "test_snippet.py"
        file.write_text(snippet)
        pytest_too = ["-m", "pytest", "-q", "-p", "no:cacheprovider"] if "hersh_sim" in snippet else []
        command = [sys.executable, *pytest_too, str(file)]
        ran = subprocess.run(
            command, timeout=60, check=False, cwd=tmp_path, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


MODULES = [
    "hersh",
    "hersh._config",
    "hersh.testing",
    "hersh.kharon",
    "hersh.kharon._router",
    "hersh.kharon._settings",
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0 and result.failed == 0


@pytest.mark.parametrize("stub", ["_hersh.pyi", "_native_kharon.pyi"])
def test_the_examples_in_the_stubs_run(stub: str) -> None:
    tree = ast.parse(Path(hersh.__file__).with_name(stub).read_text("utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    for node in classes:
        words = ast.get_docstring(node) or ""
        runner.run(parser.get_doctest(words, {}, node.name, stub, node.lineno))
    attempted, failed = runner.tries, runner.failures
    assert attempted > 0 and failed == 0
