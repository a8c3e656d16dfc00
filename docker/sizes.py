"""What an image is made of: size on disk by package, as a table in Markdown.

``docker run --rm -i skymosaic python - < docker/sizes.py``
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

_SHOWN = 20


def _bytes(files: Iterable[Path]) -> int:
    return sum(file.lstat().st_size for file in files if file.is_file() and not file.is_symlink())


def _modules(distribution: Distribution, site: Path) -> set[Path]:
    """Return a distribution's files, with their compiled modules and without what was trimmed."""
    files = {site / file for file in distribution.files or ()}
    compiled = {
        file.parent / "__pycache__" / f"{file.stem}.{sys.implementation.cache_tag}.pyc"
        for file in files
        if file.suffix == ".py"
    }
    return {file for file in files | compiled if file.exists()}


def _debian() -> int:
    """Return what Debian's packages take, Python among them, by their own word."""
    listed = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Installed-Size}\n"],
        capture_output=True,
        text=True,
        check=True,
    )
    return sum(int(size) for size in listed.stdout.split()) * 1024


def main() -> None:
    """Print the table."""
    [site] = (Path(sys.prefix) / "lib").glob("python3*/site-packages")
    sizes = {
        f"{d.metadata['Name']} {d.version}": _bytes(_modules(d, site))
        for d in distributions(path=[str(site)])
    }
    largest = sorted(sizes.items(), key=lambda item: -item[1])
    whole = _bytes(Path(sys.prefix).rglob("*"))
    rows = [
        *largest[:_SHOWN],
        (f"{len(largest) - _SHOWN} smaller packages", sum(size for _, size in largest[_SHOWN:])),
        ("files of no package", whole - sum(sizes.values())),
        ("Debian with its Python (as its packages say)", _debian()),
    ]
    print("| Package | MB |\n|---|---|")
    for name, size in rows:
        print(f"| {name} | {size / 1e6:.1f} |")


if __name__ == "__main__":
    main()
