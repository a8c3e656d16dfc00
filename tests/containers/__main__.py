"""Try the images; print a table of what passed. `scripts/test-containers` starts this."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.containers import hpc, image, stack
from tests.containers.host import engine, install_tools, obtain_images
from tests.containers.image import Bench
from tests.trials import play

CHECKS: dict[str, Callable[[Bench], str]] = {
    "hadolint": image.lint,
    "trivy config": image.scan,
    "build": image.build,
    "size": image.size,
    "contents": image.contents,
    "doctor, confined": image.doctor,
    "programs": image.programs,
    "health check": image.health,
    "no image of a broken match": image.refuses,
    "bill of materials": image.bill,
    "compose: demo": stack.demo,
    "compose: onepass": stack.onepass,
    "compose: worker killed": stack.worker_killed,
    "compose: scheduler killed": stack.scheduler_killed,
    "compose: memory exceeded": stack.memory_exceeded,
    "HPC image": hpc.build,
    "HPC image: doctor": hpc.doctor,
}
"""In the order in which they build on each other."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/test-containers", description=__doc__)
    parser.add_argument("words", nargs="*", help="only checks whose names hold one of these words")
    parser.add_argument("--full", action="store_true", help="frames of full size in the campaigns")
    parser.add_argument(
        "--folder",
        type=Path,
        help="keep images and downloads here for the next time; default: nothing is kept",
    )
    return parser.parse_args()


def main() -> int:
    """Start what is needed, do the checks, stop it."""
    given = _arguments()
    # So that what was started is stopped then, too; a shell's background job has no Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="containers-") as temporary:
        folder = given.folder.absolute() if given.folder else Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        tools = install_tools(folder)
        with engine(folder) as running:
            obtain_images(running, tools)
            bench = Bench(running, tools, folder, given.full)
            return play(CHECKS, given.words, lambda name, _number: CHECKS[name](bench))


if __name__ == "__main__":
    sys.exit(main())
