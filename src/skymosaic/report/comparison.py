"""The comparison in one call: from sky values and small images to table, figures and report."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from skymosaic.errors import SkyError, StoreError
from skymosaic.evidence.reduction import Floats
from skymosaic.report import summary
from skymosaic.report.card import Card
from skymosaic.report.chart import Chart
from skymosaic.report.contents import Report, RunFacts
from skymosaic.report.documents import as_json, markdown
from skymosaic.report.drawing import FIGURES, draw_figure, draw_pictures
from skymosaic.report.drawn import Drawn, DrawnFigure
from skymosaic.report.figure_input import FigureInput
from skymosaic.report.footprint_files import write_footprints
from skymosaic.report.invariants import Invariant, check_invariants, failures
from skymosaic.report.long_tables import MOST_BYTES
from skymosaic.report.mdrizsky import Runs, mdrizsky_table, write_table
from skymosaic.report.page import make_page, small_picture
from skymosaic.report.pictures import PagePictures
from skymosaic.report.preview import in_method_order
from skymosaic.report.sheets import sheets, write_sheets
from skymosaic.report.verdict import card
from skymosaic.sky.outline import Outline

if TYPE_CHECKING:
    from skymosaic.evidence.evidence import Evidence


@dataclass(frozen=True)
class ComparisonInput:
    """What is compared.

    Parameters
    ----------
    runs : mapping of str to sequence of SkyValue
        The sky values of each method that was run.
    groups : sequence of sequences of str
        Rootnames of the exposures that overlap one another, directly or through others.
    polygons : mapping of str to sequence of ndarray of shape (n, 2)
        Corners of each chip of an exposure: right ascension and declination in degrees.
        Empty where unknown: then there are no footprints.
    images : mapping of str to ndarray of shape (ny, nx)
        The mosaic of each method, reduced by `reduction.reduce_image`. Empty where there are none;
        with one alone there is neither blink nor difference.
    unit : str
        Unit of MDRIZSKY in the headers; skies are shown as rates.
    image_unit : str
        Unit of the mosaics.
    pairs : mapping of (str, str) to float
        Area that two exposures share, arcsec^2.
    evidence : Evidence or None
        What the exposures' overlaps say of the methods, and the advice; None where that was not
        measured.
    outline : Outline or None
        Of what the mosaics cover; None where it was not looked for.
    """

    runs: Runs
    groups: Sequence[Sequence[str]]
    polygons: Mapping[str, Sequence[NDArray[np.float64]]]
    images: Mapping[str, Floats]
    unit: str = "electron / s"
    image_unit: str = "electron / s"
    pairs: Mapping[tuple[str, str], float] = field(default_factory=dict)
    evidence: Evidence | None = None
    outline: Outline | None = None


@dataclass(frozen=True)
class WrittenComparison:
    """What `write_comparison` made.

    Parameters
    ----------
    files : tuple of Path
        The files written.
    invariants : tuple of Invariant
        The relations that were checked; all hold.
    table : astropy.table.Table
        The MDRIZSKY table.
    warnings : tuple of str
        What a reader must know first; they stand at the top of the report.
    card : Card
        What a list of many reports tells of this one.
    """

    files: tuple[Path, ...]
    invariants: tuple[Invariant, ...]
    table: Table
    warnings: tuple[str, ...]
    card: Card


def write_comparison(
    folder: Path,
    data: ComparisonInput,
    run: RunFacts,
    *,
    tolerance: float = 1e-6,
    drawn: Drawn | None = None,
) -> WrittenComparison:
    """Write table, figures, previews, blink GIF and report, or nothing.

    Parameters
    ----------
    folder : Path
        Where the files go; made where absent. Files of the same names are replaced.
    data : ComparisonInput
        What is compared.
    run : RunFacts
        What the run itself knows, for the report.
    tolerance : float
        See `check_invariants`.
    drawn : Drawn, optional
        What was drawn before; its files are moved.

    Returns
    -------
    Comparison

    Raises
    ------
    SkyError
        If the sky values or the mosaics do not fit together or an invariant does not hold; then
        nothing was written.
    StoreError
        If the folder cannot be written.
    """
    invariants = check_invariants(data.runs, data.groups, tolerance)
    _require_sound(data, invariants, run.campaign)
    report = assemble(data, run, invariants)
    folder = Path(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            written = _write_all(scratch, report, drawn or Drawn())
            written += write_footprints(scratch, report.polygons, data.outline)
            files = _publish(written, folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise StoreError(
            f"cannot write the comparison to {folder}: {error}; check its space and permissions"
        ) from error
    return WrittenComparison(
        tuple(files), tuple(invariants), report.mdrizsky, tuple(report.warnings), card(report)
    )


def _require_sound(data: ComparisonInput, invariants: Sequence[Invariant], campaign: str) -> None:
    """Raise SkyError where an invariant is broken or a mosaic has no sky values."""
    broken = failures(invariants)
    if broken:
        raise SkyError(
            f"the sky values of campaign {campaign} contradict each other: {broken}. Nothing was "
            "published; the logs of these methods, in runs/ of the store, may tell why. Remove "
            "their products, and `skymosaic run` makes them again"
        )
    strangers = sorted(set(data.images) - set(data.runs))
    if strangers:
        raise SkyError(f"{strangers[0]}: there is a mosaic but no sky values; give both")


def assemble(data: ComparisonInput, run: RunFacts, invariants: Sequence[Invariant]) -> Report:
    """Return the report of a comparison; parameters as `write_comparison`."""
    return Report(
        run=run,
        summary=summary.sentences(data.runs, data.groups, data.unit) if data.runs else (),
        warnings=summary.warnings(data.runs, data.groups) if data.runs else (),
        mdrizsky=mdrizsky_table(data.runs, data.unit) if data.runs else None,
        groups=data.groups,
        pairs=data.pairs,
        invariants=invariants,
        polygons={name: chips for name, chips in data.polygons.items() if len(chips)},
        images=in_method_order(data.images),
        image_unit=data.image_unit,
        evidence=data.evidence,
    )


def _write_all(folder: Path, report: Report, known: Drawn) -> list[Path]:
    """Write every file into an empty folder, and return them."""
    tables = sheets(report)
    written = write_table(tables.pop("mdrizsky"), folder)
    if report.evidence is not None:
        # What measures takes a second to import; a report of a run that broke off measures nothing.
        from skymosaic.report.evidence_files import write_evidence

        written += write_evidence(report.evidence, folder)
        tables.pop("seams", None)
    written += write_sheets(tables, folder)
    drawn = draw_figures(folder, report, drawn=known.figures)
    written += [path for paths in drawn.values() for path in paths]
    exposures = len(report.polygons)
    pictures = known.pictures or draw_pictures(FigureInput.of(report), folder, exposures)
    written += pictures.files
    small = small_picture(report)
    if small is not None:
        written.append(folder / "thumbnail.png")
        written[-1].write_bytes(small)
    return written + write_documents(
        folder,
        report,
        {name: paths[0] for name, paths in drawn.items()},
        charts={name: one.chart for name, one in known.figures.items()},
        pictures=pictures.page,
    )


def write_documents(
    folder: Path,
    report: Report,
    figures: Mapping[str, Path],
    stem: str = "report",
    most_bytes: int = MOST_BYTES,
    charts: Mapping[str, Chart | None] = MappingProxyType({}),
    pictures: PagePictures | None = None,
) -> list[Path]:
    """Write the report as a page with what stands beside it, as JSON and as Markdown.

    Parameters
    ----------
    folder : Path
        Where they go.
    report : Report
        What they tell.
    figures : mapping of str to Path
        The figures as PNG.
    stem : str
        Their name without what tells the format.
    most_bytes : int
        Of the rows of long tables within the page; those of the others stand beside it.
    charts, pictures
        See `page.make_page`.
    """
    drawn = make_page(report, figures, stem, most_bytes, charts, pictures)
    texts = {
        ".html": drawn.text,
        ".json": as_json(report),
        ".md": markdown(report),
        **drawn.scripts,
    }
    written = []
    for end, text in texts.items():
        path = folder / f"{stem}{end}"
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def draw_figures(
    folder: Path,
    report: Report,
    *,
    pdf: bool = True,
    drawn: Mapping[str, DrawnFigure] = MappingProxyType({}),
) -> dict[str, list[Path]]:
    """Draw what there is input for; return the PNG and the PDF, if wanted, of each figure.

    `drawn`: those that need not be drawn again.
    """
    shown = FigureInput.of(report)
    found = {
        name: list(drawn[name].files)
        if name in drawn
        else draw_figure(name, shown, folder, pdf=pdf)
        for name in FIGURES
    }
    return {name: paths for name, paths in found.items() if paths}


def _publish(files: Sequence[Path], folder: Path) -> list[Path]:
    """Move finished files to their folder, and return where they are."""
    folder.mkdir(exist_ok=True)
    return [file.replace(folder / file.name) for file in files]
