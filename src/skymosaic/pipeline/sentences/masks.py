"""What masks of cosmic rays mean for the comparison of methods, in sentences for the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from astropy.io import fits
from astropy.table import Table

from skymosaic.evidence.wording import listed
from skymosaic.methods import REFERENCES, ascribed
from skymosaic.report.sheet import Columns, sheet

if TYPE_CHECKING:
    from skymosaic.evidence.weights import Singles, WeightDifference
    from skymosaic.pipeline.results import DrizzleResult
    from skymosaic.steps.bench import Bench
    from skymosaic.steps.finished import Finished

MEASURED = "docs/engines.md, 'Cosmic rays'"
"""Where it stands what the masks of another method's sky do to a mosaic."""
_ROWS = 256  # read at a time

_CHIPS: Columns = {
    "rootname": (str, None, "rootname of the exposure"),
    "chip": (int, None, "EXTVER of the SCI extension"),
    "pixels": (int, None, "pixels of the chip; masked where it was compared with no other"),
    "hit": (int, None, "pixels that were masked as hit, and left out of all mosaics"),
    "share": (float, None, "of the pixels of the chip"),
}
_WEIGHTS: Columns = {
    "method": (str, None, "sky method"),
    "reference": (str, None, "sky method whose weights are compared with"),
    "pixels": (int, None, "pixels of the mosaic that have weight under either"),
    "share": (float, None, "of these pixels, those with another weight"),
    "weight": (float, None, "sum of the differences of weight over the sum of the weights"),
}


def once(runs: Mapping[str, Finished[DrizzleResult]], method: str) -> str:
    """Return what it means that cosmic rays were looked for once, for all methods.

    Parameters
    ----------
    runs : mapping of str to Finished
        The drizzle step of each method.
    method : str
        The method whose sky was subtracted while they were looked for.
    """
    others = [ascribed(one) for one in runs if one != method]
    share = _share_hit(runs)
    hit = "" if share is None else f"; {100 * share:.2f}% of the pixels were masked as hit"
    said = (
        f"Cosmic rays were looked for once, with the sky of {method} as AstroDrizzle has it{hit}."
    )
    if not others:
        return said
    its = (
        f"Its mosaic of {method} would have the same masks as here; its mosaics"
        if method in runs
        else "Its mosaics"
    )
    return (
        f"{said} The mosaics of all methods leave out the same pixels, so they differ only in "
        "their sky. AstroDrizzle on its own looks again for each method, with its sky. "
        f"{its} of {listed(others)} would have other masks. How much that changes a mosaic was "
        f"measured: {MEASURED}."
    )


def each(differences: Mapping[str, WeightDifference], reference: str) -> str:
    """Return what it means that cosmic rays were looked for under each method.

    Parameters
    ----------
    differences : mapping of str to WeightDifference
        Of each method's weights from those of `reference`; empty where one method was run.
    """
    said = "Cosmic rays were looked for in each run, with the sky of its method."
    if not differences:
        return said
    if not any(one.share for one in differences.values()):
        return f"{said} All of them masked the same pixels: the weights of all methods are equal."
    parts = [
        f"{ascribed(method)} in {100 * one.share:.2f}% of the pixels ({100 * one.weight:.2f}% of "
        "the weight)"
        for method, one in differences.items()
    ]
    return (
        f"{said} So the methods differ in the pixels that they masked, not only in the sky. "
        f"Weights that differ from those of {ascribed(reference)}: {', '.join(parts)}. Engine "
        "onepass looks once and gives all methods the same masks."
    )


def _share_hit(runs: Mapping[str, Finished[DrizzleResult]]) -> float | None:
    search = next((run.result.cosmic_rays for run in runs.values()), None)
    if search is None:
        return None
    pixels = sum(chip.pixels or 0 for chip in search.chips)
    return sum(chip.hit or 0 for chip in search.chips) / pixels if pixels else None


def method_recorded(runs: Mapping[str, Finished[DrizzleResult]]) -> str | None:
    """Return the method under whose sky cosmic rays were found; None where no run tells it."""
    searches = (run.result.cosmic_rays for run in runs.values())
    return next((one.method for one in searches if one is not None), None)


def hit_sheet(runs: Mapping[str, Finished[DrizzleResult]]) -> Table | None:
    """Return how many pixels of each chip were masked for all methods; None where unknown."""
    search = next((run.result.cosmic_rays for run in runs.values()), None)
    if search is None:
        return None
    rows = [[getattr(chip, name) for name in _CHIPS] for chip in search.chips]
    title = f"Pixels masked as hit by cosmic rays, found with the sky of {search.method}"
    return sheet(title, _CHIPS, rows)


def compare_weights(
    bench: Bench, runs: Mapping[str, Finished[DrizzleResult]]
) -> tuple[str, dict[str, WeightDifference]]:
    """Return the reference, and how the weights of the other methods differ from its."""
    from skymosaic.evidence.weights import WeightDifference, weight_difference

    reference = next(method for method in REFERENCES if method in runs)
    base = runs[reference]
    found = {}
    for method, run in runs.items():
        if method == reference:
            continue
        if run.result.weight_checksum == base.result.weight_checksum:
            found[method] = WeightDifference(0, 0.0, 0.0)
        else:
            found[method] = weight_difference(_parts(bench, run, base))
    return reference, found


def _parts(
    bench: Bench, run: Finished[DrizzleResult], base: Finished[DrizzleResult]
) -> Iterator[tuple[Singles, Singles]]:
    """Read the same rows of two weight maps; not mapped, as pages count as a worker's memory."""
    with (
        bench.open(run.products[run.result.weight]) as one,
        bench.open(base.products[base.result.weight]) as other,
        fits.open(one, memmap=False) as ours,
        fits.open(other, memmap=False) as theirs,
    ):
        for first in range(0, ours[0].shape[0], _ROWS):
            rows = slice(first, first + _ROWS)
            yield ours[0].section[rows], theirs[0].section[rows]


def weight_sheet(differences: Mapping[str, WeightDifference], reference: str) -> Table | None:
    """Return the differences as a table; None where there are none to tell of."""
    if not differences:
        return None
    rows = [
        [method, reference, one.pixels or None, one.share, one.weight]
        for method, one in differences.items()
    ]
    return sheet("Weights of each method against those of another", _WEIGHTS, rows)
