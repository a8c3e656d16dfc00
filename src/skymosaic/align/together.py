"""The solver `align.solve: together`: what a campaign's images give to the one solution for all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.table import Table

from skymosaic.align.gates import check_gates
from skymosaic.align.joint import Request, solve_images
from skymosaic.align.records import AlignImage, ImageSolution, LinearWcs, Solutions, SolverRoom
from skymosaic.align.refcat import unknown_of
from skymosaic.align.reference import Reference, reference_of
from skymosaic.align.together_records import Image, ImageResult, Together
from skymosaic.align.vectors import residual_table
from skymosaic.config import Align
from skymosaic.errors import AlignmentError
from skymosaic.host.counting import counted

_MIDDLE = 2010.0  # Julian year: of images whose headers tell no date, all the same
_UNCERTAIN = 5.0  # mas: from there on an image is named
_NAMED = 5  # images of a group that a sentence lists


def solve_together(
    images: Sequence[AlignImage],
    reference: Reference | None,
    settings: Align,
    room: SolverRoom,
) -> Solutions:
    """Return where all images lie, from all matches at once; a `records.Solver`.

    Notes
    -----
    `ImageSolution.covariance` holds the rows of a symmetric matrix, one after the other: of the
    image's shift to the east and to the north (mas), its roll (arcsec) and its scale (1e-6), as
    many of them as `align.geometry` fits.
    """
    if room.catalogue is not None:
        reference = _of_group(room.catalogue, images)
    request = Request(
        settings.gates,
        settings.min_sources,
        settings.geometry,
        images[0].name if images and settings.order else None,
        unknown_of(settings),
    )
    found = solve_images([_image(one) for one in images], reference, request)
    _write_log(room.log, found)
    _apply_policy(found, settings, room, 1 if reference is not None else 2)
    name = "" if reference is None else reference.name
    solutions = [
        _solution(image, one, name, settings.geometry)
        for image, one in zip(images, found.images, strict=True)
    ]
    return Solutions(
        solutions,
        check_gates([one.fit for one in solutions], settings.gates, settings.min_sources),
        list(found.failed),
        _vectors(found.images),
        groups=found.groups if len(found.groups) > 1 else [],
        warnings=[*_sentences(found), *_of_groups(found), *_of_errors(found)],
    )


def _image(image: AlignImage) -> Image:
    exposure = image.exposure
    return Image(
        image.name,
        _MIDDLE if image.epoch is None else image.epoch,
        image.wcs,
        image.catalogue.sky,
        image.catalogue.flux,
        exposure.polygons,
        f"{exposure.instrument} {exposure.detector} {exposure.filter}",
    )


def _of_group(path: Path, images: Sequence[AlignImage]) -> Reference:
    """Return the sources of another group's images as a reference.

    Their errors and motions are not told. What is of one time has not moved, and of what is not
    nobody knows more.
    """
    ra, dec = np.loadtxt(path, usecols=(0, 1), ndmin=2).reshape(-1, 2).T
    epochs = [image.epoch for image in images if image.epoch is not None]
    epoch = float(np.mean(epochs)) if epochs else _MIDDLE
    return reference_of("the campaign's own sources", ra=ra, dec=dec, epoch=epoch)


def _solution(image: AlignImage, one: ImageResult, catalogue: str, geometry: str) -> ImageSolution:
    if one.move is None:
        return ImageSolution(one.fit, group=one.group)
    wcs = None if one.fit.reference else LinearWcs.of(one.move.wcs(image.wcs))
    covariance = tuple(float(value) for value in one.covariance.ravel())
    return ImageSolution(one.fit, wcs, catalogue, geometry, covariance, one.group)


def _vectors(images: Sequence[ImageResult]) -> Table:
    return residual_table(
        [
            (one.name, *place, *apart)
            for one in images
            for place, apart in zip(one.sky.tolist(), one.residuals.tolist(), strict=True)
        ]
    )


def _sentences(found: Together) -> list[str]:
    return [f"{name} is not aligned: {why}" for name, why in found.failed.items()]


def _of_groups(found: Together) -> list[str]:
    """Return a sentence on each group of images that no match links with the first."""
    return [
        f"{', '.join(names[:_NAMED])}{' and others' if len(names) > _NAMED else ''} match each "
        "other, and no match links them with the rest"
        for names in found.groups[1:]
        if len(names) > 1
    ]


def _of_errors(found: Together) -> list[str]:
    """Return a sentence on each image whose place is uncertain."""
    return [
        f"{one.name} is aligned with a standard error of {one.error:.1f} mas along each axis, rms "
        f"over its area: {counted(one.fit.matches, 'source')} matched"
        for one in found.images
        if one.move is not None and one.error > _UNCERTAIN
    ]


def _apply_policy(found: Together, settings: Align, room: SolverRoom, needed: int) -> None:
    """Refuse to go on without images that fail, where the campaign says so, or with too few.

    Raises
    ------
    AlignmentError
        It names each of them, and why it fails.
    """
    failed = list(found.failed)
    left = len(found.images) - len(failed)
    if left >= needed and (not failed or settings.on_failure != "stop"):
        return
    sentences = "; ".join(_sentences(found))
    if left < needed:
        raise AlignmentError(
            f"{left} of {counted(len(found.images), 'drizzled image')} can be aligned, at least "
            f"{needed} {'is' if needed == 1 else 'are'} needed: {sentences}. "
            f"{room.advice(failed)}; or set `align: none`"
        )
    raise AlignmentError(
        f"{sentences}. {room.advice(failed)}; or set align.on_failure to drop or keep, and "
        "the rest is aligned without them"
    )


def _write_log(path: Path, found: Together) -> None:
    """Append what was found of each image, for people."""
    lines = ["image sources matches shift_arcsec roll_deg scale rms_ra rms_dec error_mas group"]
    for one in found.images:
        fit = one.fit
        lines.append(
            f"{one.name} {fit.sources} {fit.matches} {fit.shift:.4f} {fit.rotation:.6f} "
            f"{fit.scale:.8f} {fit.rms_ra:.2f} {fit.rms_dec:.2f} {one.error:.2f} {one.group}"
            + (f" {one.why}" if one.why else "")
        )
    for kind, curve in found.centroids.items():
        curve_text = ", ".join(f"{error:.1f} mas at {flux:.3g}" for flux, error in curve)
        lines.append(f"centroids of {kind}: {curve_text}")
    with path.open("a") as file:
        file.write("\n".join(lines) + "\n")
