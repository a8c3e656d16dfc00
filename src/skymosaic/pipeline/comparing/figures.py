"""The tasks that draw the figures of the comparison, one each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astropy.io import fits
from astropy.table import Table
from pydantic import TypeAdapter

from skymosaic.align.vectors import VECTORS
from skymosaic.drizzle.request import Request
from skymosaic.evidence.evidence import UNIT, OverlapEvidence
from skymosaic.evidence.quality import residuals
from skymosaic.hst.units import header_unit, mosaic_unit, with_seconds
from skymosaic.pipeline.comparing.methods import read_solution, skies_of_run
from skymosaic.pipeline.comparing.results import (
    FIGURE,
    FigureResult,
    ObservedResult,
    OverlapsResult,
)
from skymosaic.pipeline.onepass_results import SkiesResult
from skymosaic.pipeline.results import AlignResult, DrizzleResult, Planned
from skymosaic.pipeline.skies import values_of
from skymosaic.pipeline.slots import computing_slot
from skymosaic.report.chart import Chart
from skymosaic.report.drawn import Drawn, DrawnFigure, DrawnPictures
from skymosaic.report.figure_input import FigureInput
from skymosaic.report.mdrizsky import mdrizsky_table
from skymosaic.sky.values import SkyValue
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.config import Campaign
    from skymosaic.report.pictures import PagePictures

_VERSION = 1
"""Version of how figures are drawn; part of the keys of their steps."""
_PAGE = "page.json"
PICTURES = "pictures"
"""The previews of the mosaics, and their pictures on the page."""


@dataclass(frozen=True)
class Sources:
    """The steps that a figure shows; what it does not look at is None."""

    skies: Finished[SkiesResult] | None = None
    observed: Finished[ObservedResult] | None = None
    solution: Finished[OverlapsResult] | None = None
    runs: Mapping[str, Finished[DrizzleResult]] | None = None


def draw(
    place: Place,
    name: str,
    campaign: Campaign,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
    shows: Mapping[str, Any],
) -> Finished[FigureResult]:
    """Draw one figure.

    Parameters
    ----------
    place, campaign, aligned, planned
        As for the other parts of the comparison.
    name : str
        One of `drawing.FIGURES`.
    shows : mapping of str to Finished
        The steps that it shows, by the names of `Sources`.
    """
    sources = Sources(**shows)
    steps = [sources.skies, sources.observed, sources.solution, *(sources.runs or {}).values()]
    vectors = aligned.products.get(VECTORS) if name == "vectors" else None
    unit = mosaic_unit(aligned.result.exposures, in_counts=in_counts(campaign))

    def work(bench: Bench) -> FigureResult:
        # Drawing takes a second to import: only who draws does.
        from skymosaic.report.drawing import draw_figure, draw_pictures

        shown = _shown(bench, place, name, campaign, aligned, planned, sources)
        with computing_slot(place):
            if name == PICTURES:
                exposures = sum(bool(len(one.polygons)) for one in aligned.result.exposures)
                pictures = draw_pictures(shown, bench.out, exposures)
                return _written(bench, pictures.files, pictures.page)
            # Bokeh takes a second to import: only who needs it does.
            from skymosaic.report.charts import chart_of

            files = draw_figure(name, shown, bench.out)
            return _written(bench, files, chart_of(name, shown, files[0]) if files else None)

    return run_step(
        place,
        FIGURE.step(name),
        inputs={} if vectors is None else {VECTORS: vectors},
        parameters={
            "version": _VERSION,
            "methods": list(campaign.sky.methods),
            "exposures": [exposure.rootname for exposure in aligned.result.exposures],
            "unit": unit,
            "made from": {one.step: one.key for one in (aligned, planned, *steps) if one},
        },
        versions=versions(),
        work=work,
    )


def _written(
    bench: Bench, files: Sequence[Path], page: Chart | PagePictures | None
) -> FigureResult:
    """Return the result of a figure whose files are there; write what the page shows of it."""
    if page is not None:
        (bench.out / _PAGE).write_text(json.dumps(asdict(page)), encoding="utf-8")
    return FigureResult([path.name for path in files], None if page is None else _PAGE)


def in_counts(campaign: Campaign) -> bool:
    """Tell whether the mosaics are in counts: no detector decides it."""
    return Request.of(campaign).given.get("final_units") == "counts"


def _shown(
    bench: Bench,
    place: Place,
    name: str,
    campaign: Campaign,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
    sources: Sources,
) -> FigureInput:
    """Return what one figure shows."""
    exposures, plan, methods = aligned.result.exposures, planned.result, campaign.sky.methods
    evidence = _overlaps(bench, place, methods, plan, sources)
    if name == "scatter" and sources.skies is not None:
        runs: dict[str, Sequence[SkyValue]] = {
            m: with_seconds(values_of(place, sources.skies, m), exposures) for m in methods
        }
        return FigureInput(mdrizsky=mdrizsky_table(runs, header_unit(exposures)))
    if name == "footprints":
        polygons = {one.rootname: one.polygons for one in exposures if len(one.polygons)}
        pairs = {(a, b): area for a, b, area in plan.pairs}
        return FigureInput(polygons=polygons, groups=plan.groups, pairs=pairs, evidence=evidence)
    if sources.runs is not None:
        from skymosaic.report.preview import in_method_order  # as in `draw`

        images = {
            method: fits.getdata(bench.fetch(run.products[run.result.preview]))
            for method, run in sources.runs.items()
        }
        unit = mosaic_unit(exposures, in_counts=in_counts(campaign))
        return FigureInput(images=in_method_order(images), image_unit=unit)
    if name == "vectors" and VECTORS in aligned.products:
        path = bench.fetch(aligned.products[VECTORS])
        return FigureInput(vectors=Table.read(path, format="ascii.ecsv"))
    return FigureInput(evidence=evidence)


def _overlaps(
    bench: Bench, place: Place, methods: Sequence[str], planned: Planned, sources: Sources
) -> OverlapEvidence | None:
    """Return what was found of the overlaps, if that is to be shown."""
    skies, observed, solution = sources.skies, sources.observed, sources.solution
    if skies is None or observed is None or solution is None:
        return None
    seen = observed.result
    found, _ = read_solution(bench, seen.seen, solution)
    left = {
        method: residuals(
            method, found.measured, skies_of_run(values_of(place, skies, method), seen)
        )
        for method in methods
    }
    cell = seen.side * planned.grid.scale
    return OverlapEvidence(UNIT, seen.scale, cell, found.measured, left)


def read_figures(bench: Bench, done: Mapping[str, Finished[FigureResult]]) -> Drawn:
    """Return figures by their names; their files are copied into the scratch folder."""
    from skymosaic.report.pictures import PagePictures  # as in `draw`

    figures, pictures = {}, None
    for name, one in done.items():
        result, page = one.result, None
        files = tuple(bench.fetch(one.products[file]) for file in result.files)
        if result.chart is not None:
            with bench.open(one.products[result.chart]) as stream:
                page = json.load(stream)
        if name == PICTURES:
            pictures = DrawnPictures(files, TypeAdapter(PagePictures).validate_python(page))
        else:
            figures[name] = DrawnFigure(files, None if page is None else Chart(**page))
    return Drawn(figures, pictures)
