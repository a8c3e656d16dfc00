"""The tutorial's solver: TweakReg aligns image after image, each to those before it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from astropy.table import vstack

from skymosaic.align import tweakreg
from skymosaic.align.gates import Criterion, TileFit, check_gates
from skymosaic.align.policy import Excluding, unfitted
from skymosaic.align.proof import read_wcs
from skymosaic.align.records import AlignImage, ImageSolution, LinearWcs, Solutions, SolverRoom
from skymosaic.align.refcat import epoch_spans, unknown_of, write_refcat
from skymosaic.align.reference import Reference
from skymosaic.align.tweakreg import REFERENCE_WCS, Tweaked
from skymosaic.align.vectors import read_vectors
from skymosaic.config import Align
from skymosaic.drizzlepac_calls.process import DrizzlepacError
from skymosaic.errors import AlignmentError

_CONFUSED = "Number of output coordinates exceeded allocation"  # of stsci.stimage.xyxymatch

_OF_THE_USERS = "refcat"
"""TweakReg's parameter that names a catalogue of the user's."""


def solve_in_order(
    images: Sequence[AlignImage], reference: Reference | None, settings: Align, room: SolverRoom
) -> Solutions:
    """Return where TweakReg puts images; see `records.Solver`.

    Images that fail a gate are left out where the policy allows it, until all others pass.
    """
    run = _Run(images, reference, settings, room)
    tweaked, fits, criteria = run.until_gates_hold()
    folders = {fit.tile: one.folder for one in tweaked for fit in one.fits if not fit.reference}
    geometry = str(run.parameters.get("fitgeometry", "rscale"))
    solutions = []
    for image in images:
        folder, fit = folders.get(image.name), fits[image.name]
        wcs = None if folder is None else _wcs_of(folder / image.exposure.name)
        name = run.matched_with if wcs is not None else ""
        solutions.append(ImageSolution(fit, wcs, name, geometry if wcs is not None else ""))
    vectors = vstack(
        [read_vectors(one.folder, [fit.tile for fit in one.fits], REFERENCE_WCS) for one in tweaked]
    )
    return Solutions(solutions, criteria, run.excluding.excluded, vectors, run.peak_memory)


def _wcs_of(path: Path) -> LinearWcs:
    [wcs] = read_wcs(path).values()
    return LinearWcs.of(wcs)


class _Run:
    """TweakReg's runs until all images that are left pass the gates."""

    def __init__(
        self,
        images: Sequence[AlignImage],
        reference: Reference | None,
        settings: Align,
        room: SolverRoom,
    ) -> None:
        self.excluding = Excluding(settings, room.advice)
        self.peak_memory = 0
        self.parameters: Mapping[str, Any] = {
            "minobj": settings.gates.min_matches,
            **room.finding.tweakreg,
            **settings.tweakreg,
        }
        self._images = {image.name: image for image in images}
        self._reference, self._settings, self._room = reference, settings, room
        self._numbers = itertools.count(1)

    @property
    def matched_with(self) -> str:
        """What the images are matched with, for headers."""
        if self._reference is not None:
            return self._reference.name
        if self._room.catalogue is not None:
            return self._room.catalogue.name
        given = self._settings.tweakreg.get(_OF_THE_USERS)
        if given:
            return Path(str(given)).name
        # The first image that is left stays, and the others are matched with it.
        return next(name for name in self._images if name not in self.excluding.excluded)

    def until_gates_hold(self) -> tuple[list[Tweaked], dict[str, TileFit], list[Criterion]]:
        """Run TweakReg, without the images that fail a gate if the policy allows, until all pass.

        An image that failed had already put its sources into the catalogue that later ones were
        matched with, so the rest is fitted again without it.
        """
        settings, names = self._settings, list(self._images)
        counts = {name: len(image.catalogue) for name, image in self._images.items()}
        fits = {name: unfitted(name, counts[name]) for name in names}
        left = [name for name in names if counts[name] >= settings.min_sources]
        self.excluding.apply([fits[name] for name in names if name not in left])
        while True:
            self.excluding.require(self._needed, len(left), fits)
            tweaked = self._tweak(left)
            fits.update({fit.tile: fit for one in tweaked for fit in one.fits})
            table = check_gates(list(fits.values()), settings.gates, settings.min_sources)
            failed = {name for criterion in table for name in criterion.failed} & set(left)
            if not failed:
                return tweaked, fits, table
            self.excluding.apply([fits[name] for name in left if name in failed])
            left = [name for name in left if name not in failed]

    @property
    def _needed(self) -> int:
        """How many images an alignment needs at least."""
        alone = self._reference or self._room.catalogue or self._settings.tweakreg.get("refcat")
        return 1 if alone else 2

    def _tweak(self, names: Sequence[str]) -> list[Tweaked]:
        """Run TweakReg: once, or once for each epoch between which the stars move."""
        images = [self._images[name] for name in names]
        if self._reference is None:
            return [self._tweak_once(images, self._room.catalogue, 0)]
        tweaked: list[Tweaked] = []
        for places, epoch in epoch_spans(self._reference, [image.epoch for image in images]):
            batch = [images[place] for place in places]
            stars = self._room.folder / f"stars{next(self._numbers)}.cat"
            write_refcat(stars, self._reference, epoch, unknown_of(self._settings))
            before = sum(len(one.fits) for one in tweaked)
            tweaked.append(self._tweak_once(batch, stars, before))
        return tweaked

    def _tweak_once(
        self, images: Sequence[AlignImage], catalogue: Path | None, before: int
    ) -> Tweaked:
        folder = self._room.folder / f"tweakreg{next(self._numbers)}"
        finding, log = self._room.finding.parameters, self._room.log
        try:
            tweaked = tweakreg.run_tweakreg(
                folder, images, self.parameters, finding, log, catalogue
            )
        except DrizzlepacError as error:
            raise AlignmentError(explained(str(error))) from None
        self.peak_memory = max(self.peak_memory, tweaked.peak_memory)
        if not before:
            return tweaked
        fits = [replace(f, place=f.place + before if f.place > 0 else -1) for f in tweaked.fits]
        return replace(tweaked, fits=fits)


def explained(message: str) -> str:
    """Return TweakReg's error; one that tells users nothing with its cause and a remedy."""
    if _CONFUSED not in message:
        return message
    return (
        f"{message}: several stars of the catalogue lie within TweakReg's tolerance of one source "
        "of an image. Set align.tweakreg.separation (pixels) larger than align.tweakreg.tolerance, "
        f"which is {tweakreg.DEFAULTS['tolerance']:g} by default, or the tolerance smaller"
    )
