"""``python -m hersh`` says which hersh this is."""

from __future__ import annotations

import platform

from . import __version__


def main() -> None:
    print(f"hersh {__version__}, Python {platform.python_version()}, {platform.platform()}")


if __name__ == "__main__":
    main()
