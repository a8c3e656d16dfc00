"""The gather stage in one call: from sky values and small images to table, figures and report."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from skymosaic.compare import figures, summary
from skymosaic.compare.difference import difference, reference_method
from skymosaic.compare.evidence import Evidence
from skymosaic.compare.evidence_files import write_evidence
from skymosaic.compare.invariants import Invariant, check_invariants, failures
from skymosaic.compare.mdrizsky import Runs, mdrizsky_table, write_table
from skymosaic.compare.preview import blink, common_stretch, in_method_order, preview
from skymosaic.compare.reduction import Floats
from skymosaic.compare.report import Report, RunRecord, write_report
from skymosaic.errors import SkyError, StoreError
from skymosaic.methods import column


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
        Unit of MDRIZSKY.
    image_unit : str
        Unit of the mosaics.
    evidence : Evidence or None
        What the exposures' overlaps say of the methods, and the advice; None where that was not
        measured.
    """

    runs: Runs
    groups: Sequence[Sequence[str]]
    polygons: Mapping[str, Sequence[NDArray[np.float64]]]
    images: Mapping[str, Floats]
    unit: str = "electron / s"
    image_unit: str = "electron / s"
    evidence: Evidence | None = None


@dataclass(frozen=True)
class Comparison:
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
    """

    files: tuple[Path, ...]
    invariants: tuple[Invariant, ...]
    table: Table
    warnings: tuple[str, ...]


def write_comparison(
    folder: Path, data: ComparisonInput, record: RunRecord, *, tolerance: float = 1e-6
) -> Comparison:
    """Write table, figures, previews, blink GIF and report, or nothing.

    Parameters
    ----------
    folder : Path
        Where the files go; made where absent. Files of the same names are replaced.
    data : ComparisonInput
        What is compared.
    record : RunRecord
        What the run itself knows, for the report.
    tolerance : float
        See `check_invariants`.

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
    table = mdrizsky_table(data.runs, data.unit)
    invariants = check_invariants(data.runs, data.groups, tolerance)
    _require_sound(data, invariants, record.campaign)
    said = tuple(summary.warnings(data.runs, data.groups))
    folder = Path(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            written = _write_all(scratch, data, table, invariants, said, record)
            files = _publish(written, folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise StoreError(
            f"cannot write the comparison to {folder}: {error}; check its space and permissions"
        ) from error
    return Comparison(tuple(files), tuple(invariants), table, said)


def _require_sound(data: ComparisonInput, invariants: Sequence[Invariant], campaign: str) -> None:
    """Raise SkyError where an invariant is broken or a mosaic has no sky values."""
    broken = failures(invariants)
    if broken:
        raise SkyError(
            f"the sky values of campaign {campaign} contradict each other: {broken}. Nothing was "
            "published; look into the AstroDrizzle logs of these methods and run them again"
        )
    strangers = sorted(set(data.images) - set(data.runs))
    if strangers:
        raise SkyError(f"{strangers[0]}: there is a mosaic but no sky values; give both")


def _write_all(
    folder: Path,
    data: ComparisonInput,
    table: Table,
    invariants: Sequence[Invariant],
    said: Sequence[str],
    record: RunRecord,
) -> list[Path]:
    """Write every file into an empty folder, and return them."""
    written = write_table(table, folder)
    if data.evidence is not None:
        written += write_evidence(data.evidence, folder)
    drawn = _draw_figures(folder, data, table)
    previews = _draw_previews(folder, data)
    report = Report(
        record=record,
        summary=summary.sentences(data.runs, data.groups, data.unit),
        warnings=said,
        mdrizsky=table,
        groups=data.groups,
        invariants=invariants,
        previews=previews,
        figures=drawn,
        reference=reference_method(data.images) if "difference" in drawn else "",
    )
    page = write_report(folder / "report.html", report)
    return [*written, *drawn.values(), *previews.values(), page]


def _draw_figures(folder: Path, data: ComparisonInput, table: Table) -> dict[str, Path]:
    """Draw what there is input for, and return the files by the names that the report uses."""
    drawn = {"scatter": figures.save_png(figures.scatter(table), folder / "scatter.png")}
    if data.polygons:
        figure = figures.footprints(data.polygons, data.groups)
        drawn["footprints"] = figures.save_png(figure, folder / "footprints.png")
    if len(data.images) > 1:
        drawn["blink"] = blink(data.images, folder / "blink.gif", data.image_unit)
        figure = difference(data.images, data.image_unit)
        drawn["difference"] = figures.save_png(figure, folder / "difference.png")
    return drawn


def _draw_previews(folder: Path, data: ComparisonInput) -> dict[str, Path]:
    """Draw the preview of each method on the common scale."""
    if not data.images:
        return {}
    limits = common_stretch(data.images)
    drawn = {}
    for method, image in in_method_order(data.images).items():
        drawn[method] = folder / f"preview_{column(method)}.png"
        picture = preview(image, method, limits, data.image_unit)
        picture.save(drawn[method], format="PNG")
    return drawn


def _publish(files: Sequence[Path], folder: Path) -> list[Path]:
    """Move finished files to their folder, and return where they are."""
    folder.mkdir(exist_ok=True)
    return [file.replace(folder / file.name) for file in files]
