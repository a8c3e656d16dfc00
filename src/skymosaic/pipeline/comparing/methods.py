"""The tasks that find what the overlaps call for, the edges of exposures, and judge each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from astropy.io import fits

from skymosaic.config import Campaign
from skymosaic.drizzle.onepass.stored import Box
from skymosaic.evidence.edges import find_all_edges
from skymosaic.evidence.evidence import Judged, judge_method
from skymosaic.evidence.pairs import Differences, merged, with_links
from skymosaic.evidence.quality import Skies
from skymosaic.evidence.residuals import Seam
from skymosaic.evidence.solution import Solution
from skymosaic.evidence.solution import solve_overlaps as solve
from skymosaic.methods import word
from skymosaic.pipeline.comparing.arrays import (
    AllDifferences,
    BlockDifferences,
    StoredEdges,
    StoredLevels,
    StoredSeams,
)
from skymosaic.pipeline.comparing.observed import (
    cell_products,
    chosen_pairs,
    pair_table,
    read_cells,
)
from skymosaic.pipeline.comparing.pairs import pairs_in
from skymosaic.pipeline.comparing.results import (
    EDGES,
    JUDGED,
    OVERLAPS,
    PAIRS,
    EdgesResult,
    JudgedResult,
    ObservedResult,
    OverlapsResult,
    PairsResult,
)
from skymosaic.pipeline.levels import cells_of_grid
from skymosaic.pipeline.measuring import by_exposure, mosaic_in_cells
from skymosaic.pipeline.onepass_mosaics import forget_others
from skymosaic.pipeline.onepass_results import SkiesResult
from skymosaic.pipeline.results import AlignResult, DrizzleResult, Planned
from skymosaic.pipeline.skies import values_of
from skymosaic.pipeline.slots import computing_slot
from skymosaic.sky.values import SkyValue
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

_VERSION = 1
"""Version of what these steps do; part of their keys."""
_EDGES, _SEAMS = "edges.npz", "seams.npz"


def find_edges(
    place: Place, planned: Finished[Planned], observed: Finished[ObservedResult]
) -> Finished[EdgesResult] | None:
    """Find the edges of the exposures; None where none has a valid pixel."""
    if not observed.result.seen:
        return None
    grid = cells_of_grid(planned.result.grid, observed.result.side)

    def work(bench: Bench) -> EdgesResult:
        cells = read_cells(bench, observed)
        with computing_slot(place):
            found = find_all_edges(cells, grid.shape)
        StoredEdges.of(found.edges).save(bench.out / _EDGES)
        return EdgesResult(_EDGES, found.dense)

    return run_step(
        place,
        EDGES.step(),
        inputs=cell_products(observed),
        parameters={"version": _VERSION, "shape": list(grid.shape)},
        versions=versions(),
        work=work,
    )


def solve_overlaps(
    place: Place,
    campaign: Campaign,
    boxes: Mapping[str, Box],
    planned: Finished[Planned],
    observed: Finished[ObservedResult],
    pairs: Sequence[Finished[PairsResult]],
    skies: Finished[SkiesResult],
) -> Finished[OverlapsResult] | None:
    """Find what the overlaps of all blocks call for; None where no exposure has a valid pixel.

    Parameters
    ----------
    place, campaign, planned, observed
        As for the other parts of the comparison.
    boxes : mapping of str to Box
        The blocks by their names.
    pairs : sequence of Finished
        The differences in each of them, in their order.
    skies : Finished
        What each method subtracts.
    """
    if not observed.result.seen:
        return None
    grid = cells_of_grid(planned.result.grid, observed.result.side)
    methods, scale = campaign.sky.methods, observed.result.scale

    def work(bench: Bench) -> OverlapsResult:
        forget_others(place, PAIRS.kind, list(boxes))
        forget_others(place, JUDGED.kind, list(map(word, methods)))
        cells = read_cells(bench, observed)
        table, names = pair_table(place, observed), observed.result.seen
        parts = []
        for box, one in zip(boxes.values(), pairs, strict=True):
            with bench.open(one.products[one.result.table]) as file:
                parts.append(BlockDifferences.load(file).numbered(pairs_in(table, box), names))
        subtracted: dict[str, Skies] = {
            m: by_exposure(values_of(place, skies, m), scale) for m in methods
        }
        with computing_slot(place):
            found = with_links(cells, chosen_pairs(table), merged(parts))
            solution = solve(cells, grid.shape, found.measured, subtracted)
        return _save_solution(bench, names, found, solution)

    return run_step(
        place,
        OVERLAPS.step(),
        inputs={
            **cell_products(observed),
            **{f"{one.step}/{one.result.table}": one.products[one.result.table] for one in pairs},
        },
        parameters={
            "version": _VERSION,
            "shape": list(grid.shape),
            "methods": list(methods),
            "skies": skies.key,
        },
        versions=versions(),
        work=work,
    )


def _save_solution(
    bench: Bench, names: Sequence[str], found: Differences, solution: Solution
) -> OverlapsResult:
    result = OverlapsResult(
        solution.noise,
        solution.levels.misfit,
        found.left_out,
        solution.graph,
        solution.empty_share,
        solution.estimates,
        solution.against,
    )
    number = {name: place for place, name in enumerate(names)}
    AllDifferences.of(
        [(number[one.a], number[one.b]) for one in found.measured], found.measured
    ).save(bench.out / result.differences)
    StoredLevels.of(solution.levels, solution.empty).save(bench.out / result.levels)
    return result


def read_solution(
    bench: Bench, names: Sequence[str], done: Finished[OverlapsResult]
) -> tuple[Differences, Solution]:
    """Return the differences of all exposures, and what they call for."""
    result = done.result
    with bench.open(done.products[result.differences]) as file:
        measured = AllDifferences.load(file).each(names)
    with bench.open(done.products[result.levels]) as file:
        stored = StoredLevels.load(file)
    solution = Solution(
        result.noise,
        result.graph,
        stored.levels(names, result.misfit),
        stored.patches(),
        result.empty_share,
        result.estimates,
        result.against,
    )
    return Differences(measured, result.left_out), solution


def judge(
    place: Place,
    method: str,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
    observed: Finished[ObservedResult],
    edges: Finished[EdgesResult] | None,
    solution: Finished[OverlapsResult] | None,
    run: Finished[DrizzleResult],
) -> Finished[JudgedResult] | None:
    """Judge a method by its skies and its mosaic; None where no exposure has a valid pixel."""
    if edges is None or solution is None:
        return None
    exposures, seen = aligned.result.exposures, observed.result
    preview = run.products[run.result.preview]

    def work(bench: Bench) -> JudgedResult:
        grid = cells_of_grid(planned.result.grid, seen.side)
        cells = read_cells(bench, observed)
        overlaps, solved = read_solution(bench, seen.seen, solution)
        with bench.open(edges.products[edges.result.table]) as file:
            found = StoredEdges.load(file).edges(dense=edges.result.dense)
        image = fits.getdata(bench.fetch(preview))
        with computing_slot(place):
            judged = judge_method(
                *(method, skies_of_run(run.result.sky, seen), cells, grid, overlaps.measured),
                *(solved, found, mosaic_in_cells(image, seen, exposures, planned.result)),
                seen.truth,
            )
        StoredSeams.of(judged.seams or ()).save(bench.out / _SEAMS)
        return JudgedResult(judged.quality, _SEAMS)

    return run_step(
        place,
        JUDGED.step(word(method)),
        inputs={f"{run.step}/{run.result.preview}": preview, **cell_products(observed)},
        parameters={
            "version": _VERSION,
            "made from": {one.step: one.key for one in (observed, edges, solution, run)},
        },
        versions=versions(),
        work=work,
    )


def skies_of_run(values: Sequence[SkyValue], observed: ObservedResult) -> Skies:
    """Return the sky of each exposure that a run subtracted, e-/s in a pixel of the common size."""
    return by_exposure(values, observed.scale)


def read_judged(bench: Bench, method: str, done: Finished[JudgedResult]) -> Judged:
    """Return what was found of a method."""
    with bench.open(done.products[done.result.seams]) as file:
        seams: list[Seam] = StoredSeams.load(file).each(method)
    return Judged(done.result.quality, seams)
