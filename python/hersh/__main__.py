"""``python -m hersh`` says which hersh this is, on what, and what it can do."""

from __future__ import annotations

import platform

from . import __version__
from ._hersh import features


def main() -> None:
    print(f"hersh {__version__}, Python {platform.python_version()}, {platform.platform()}")
    print("features:", ", ".join(features))


if __name__ == "__main__":
    main()
