"""Execute the example notebook on a run: ``python -m tests.notebooks NOTEBOOK RUN OUTPUT``."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient

RUN = "SKYMOSAIC_RUN"
"""Names the run that the notebook looks at; its default is the demo's."""


def execute(notebook: Path, run: str) -> Any:
    """Return a notebook with the outputs that it has on a run.

    Raises
    ------
    CellExecutionError
        A cell failed.
    """
    document = nbformat.read(notebook, as_version=4)
    before = os.environ.get(RUN)
    os.environ[RUN] = run
    try:
        # Through sockets in the file system, and not through ports.
        with tempfile.TemporaryDirectory(prefix="skymosaic-notebook-") as folder:
            kernel = AsyncKernelManager(
                kernel_name="python3", transport="ipc", ip=str(Path(folder) / "socket")
            )
            NotebookClient(document, km=kernel, timeout=600).execute()
    finally:
        if before is None:
            del os.environ[RUN]
        else:
            os.environ[RUN] = before
    for cell in document.cells:
        cell.metadata.pop("execution", None)  # times of one execution are nobody's business
    document.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    return document


def main() -> None:
    """Execute the notebook of the command line."""
    notebook, run, output = sys.argv[1:]
    document = execute(Path(notebook), run)
    nbformat.write(document, output)
    print(f"{output}: {sum(cell.cell_type == 'code' for cell in document.cells)} cells executed")


if __name__ == "__main__":
    main()
