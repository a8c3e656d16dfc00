"""The example notebook runs on a real run, and shows the table that the run has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow
NOTEBOOK = REPOSITORY / "docs" / "notebooks" / "compare.ipynb"


def outputs(document) -> str:  # type: ignore[no-untyped-def]
    """Return all that the cells of a notebook printed or showed, as text."""
    texts = []
    for cell in document.cells:
        for output in cell.get("outputs", ()):
            texts.append(output.get("text", "") + output.get("data", {}).get("text/plain", ""))
    return "\n".join(texts)


def test_the_notebook_executes_on_a_run(small: Path) -> None:
    notebooks = pytest.importorskip("tests.notebooks", reason="needs the extra notebook")
    document = notebooks.execute(NOTEBOOK, str(small))
    text = outputs(document)
    lines = (small / "comparison" / "mdrizsky.csv").read_text().splitlines()
    assert len(lines) == 19
    assert all(line.split(",")[0] in text for line in lines[1:])
    assert "globalmin_match" in text
    assert "small is complete: True" in text
    pictures = [
        output
        for cell in document.cells
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 2


def test_the_notebook_in_the_docs_was_executed() -> None:
    nbformat = pytest.importorskip("nbformat", reason="needs the extra notebook")
    document = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in document.cells if cell.cell_type == "code" and cell.source]
    assert all(cell.execution_count for cell in code)
    assert "error" not in {o.output_type for cell in code for o in cell.outputs}
    assert "is complete: True" in outputs(document)
