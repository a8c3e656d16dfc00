"""What lies in a rectangle of the grid, read from what other steps made of its blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymosaic.drizzle.onepass.source_mask import put_together
from skymosaic.drizzle.onepass.stored import Box, HeldPieces, StoredChip, read_pieces
from skymosaic.drizzle.onepass.sums import CutOut
from skymosaic.pipeline.onepass_results import SingleResult, SourcesResult
from skymosaic.steps.step import Bench, Finished
from skymosaic.store import Product

MASK = "mask"
"""What the sources of a block are called among the files of its step."""


def fetch_chips(
    bench: Bench,
    singles: Sequence[tuple[Finished[SingleResult], Sequence[tuple[int, StoredChip]]]],
    box: Box,
    pieces: HeldPieces,
) -> list[CutOut]:
    """Read what of some chips lies in a rectangle of the grid; return where in it they lie.

    Parameters
    ----------
    bench : Bench
        Of the step.
    singles : sequence of (Finished, sequence of (int, StoredChip))
        Of each exposure its chips, and their numbers.
    box : Box
        The rectangle.
    pieces : HeldPieces
        Gets their pixels.
    """
    cut_outs = []
    for single, chips in singles:
        with bench.open(single.products[single.result.pixels]) as file:
            for number, chip in chips:
                cut_out = chip.cut_out(number)
                cut_outs.append(replace(cut_out, x=cut_out.x - box.x, y=cut_out.y - box.y))
                for piece in read_pieces(file, chip, box):
                    pieces.add(number, piece)
    return cut_outs


def file_of(one: Finished[SourcesResult], kind: str) -> Product:
    """Return a product of a step that looks for sources."""
    return one.products[one.result.files[kind]]


def read_array(bench: Bench, product: Product) -> NDArray[Any]:
    """Return an array that a step wrote."""
    with bench.open(product) as file:
        return np.asarray(np.load(file, allow_pickle=False))


def mask_products(masks: Sequence[Finished[SourcesResult]]) -> dict[str, Product]:
    """Return the files of the sources of blocks, as inputs of a step."""
    return {one.step: file_of(one, MASK) for one in masks}


def read_masks(
    bench: Bench, masks: Sequence[Finished[SourcesResult]], box: Box
) -> NDArray[np.bool_]:
    """Return the sources in a rectangle of the grid, shape (rows, columns)."""

    def parts() -> Iterator[tuple[Box, NDArray[Any]]]:
        for one in masks:
            assert one.result.box is not None  # of a block
            yield one.result.box, read_array(bench, file_of(one, MASK))

    return np.asarray(put_together(box, parts(), np.array(False)))
