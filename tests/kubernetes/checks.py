"""The project's own checks of manifests.

``python -m tests.kubernetes.checks FILE...`` prints what is wrong, and ends with 1 if anything is.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from tests.kubernetes import object_checks, pod_checks
from tests.kubernetes.pods import Data

CHECKS = (*pod_checks.CHECKS, *object_checks.CHECKS)


def faults(objects: Sequence[Data]) -> list[str]:
    """Return what is wrong with objects that are applied together; nothing, if they are good."""
    return [f"{check.__name__}: {fault}" for check in CHECKS for fault in check(objects)]


def main() -> int:
    """Check files."""
    found = []
    for path in map(Path, sys.argv[1:]):
        found += [
            f"{path}: {fault}" for fault in faults(list(yaml.safe_load_all(path.read_text())))
        ]
    print("\n".join(found) if found else f"{len(CHECKS)} checks passed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
