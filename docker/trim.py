"""Take out of an installation what is not needed to run it, and compile the rest.

``python trim.py SITE-PACKAGES`` prints what each rule took. What remains is tried out by
``skymosaic doctor``, without which no image is made.
"""

from __future__ import annotations

import compileall
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

# astropy/__init__.py imports its test runner.
_NEEDED = ("astropy/tests",)
# What a few packages put beside themselves by mistake.
_STRAY = ("tests", "test", "doc", "docs", "examples", "benchmarks", "src")


def _tests(site: Path) -> Iterator[Path]:
    """Yield the packages' own tests, with their data."""
    for name in ("tests", "_tests"):
        for path in site.glob(f"*/**/{name}"):
            if path.is_dir() and str(path.relative_to(site)) not in _NEEDED:
                yield path


def _stray(site: Path) -> Iterator[Path]:
    """Yield folders of no package."""
    for name in _STRAY:
        yield site / name


def _sources(site: Path) -> Iterator[Path]:
    """Yield what only compilers read."""
    for pattern in ("*.pyx", "*.pxd", "*.pxi", "*.c", "*.cpp", "*.h", "*.hpp", "*.f", "*.a"):
        yield from site.rglob(pattern)


def _caches(site: Path) -> Iterator[Path]:
    """Yield compiled modules: they are compiled anew, all in one way."""
    yield from site.rglob("__pycache__")


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.lstat().st_size for file in files if file.is_file())


def main() -> None:
    """Trim the folder that is named on the command line."""
    site = Path(sys.argv[1])
    for rule in (_stray, _tests, _sources, _caches):
        taken = 0
        for path in list(rule(site)):
            if path.exists():  # not already gone with a folder above it
                taken += _bytes(path)
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        print(f"{taken / 1e6:8.1f} MB  {rule.__name__.strip('_')}")
    # Unchecked: images and archives change the times of files, and nobody edits these.
    compileall.compile_dir(
        site, quiet=2, workers=0, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
    )


if __name__ == "__main__":
    main()
