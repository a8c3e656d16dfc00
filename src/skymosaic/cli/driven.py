"""``python -m skymosaic.cli.driven PID ...``: the command line, ended with the process PID."""

from __future__ import annotations

import signal
import sys

from skymosaic.cli import entry
from skymosaic.host.processes import end_with_parent


def main() -> None:
    """Run the command line in a process that ends with the one that started it."""
    parent, *arguments = sys.argv[1:]
    end_with_parent(int(parent), signal.SIGTERM)
    entry.skymosaic(arguments)


if __name__ == "__main__":
    main()
