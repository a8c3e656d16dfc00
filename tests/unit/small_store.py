"""A campaign in a store without running it: steps of three exposures and two sky methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic.align.positions import Displacement
from skymosaic.drizzle.checks.sample_window import Window
from skymosaic.drizzle.checks.witness import Agreement
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.sky_record import SkyCheck
from skymosaic.hst.exposure import Chip, Exposure
from skymosaic.pipeline.results import (
    ALIGN,
    DRIZZLE,
    INSPECT,
    ONEPASS,
    PLAN,
    POSITIONS,
    RETRIEVE,
    WITNESS,
    AlignResult,
    DrizzleResult,
    InspectionResult,
    OnepassResult,
    PlanResult,
    PositionsResult,
    RetrieveResult,
    WitnessResult,
)
from skymosaic.sky.values import SkyValue
from skymosaic.steps.manifests import finished
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.steps.tasks import Step
from skymosaic.store import Product, open_store

R = TypeVar("R")

CAMPAIGN = """
campaign: {name: field}
source: {kind: directory, path: data}
align: none
sky: {methods: [localmin, match]}
"""
SKIES = {"localmin": {"a": 1.0, "b": 1.5, "c": 1.25}, "match": {"a": 0.0, "b": 0.5, "c": 0.25}}
SHAPE = (20, 30)


def exposure(name: str, x: float) -> Exposure:
    corners = ((10.0 + x, 0.0), (10.1 + x, 0.0), (10.1 + x, 0.1), (10.0 + x, 0.1))
    chip = Chip(1, corners, "IDC", 30.0, 0.1283, False)
    return Exposure(name, "_flt", "asn", "WFC3", "IR", "F160W", 702.9, 0.0, 0.0, (chip,))


def plain(name: str, folder: str = "") -> Step[dict[str, Any]]:
    """Return a step by name, whose result is what its manifest has: of any version."""
    return Step(name, dict[str, Any], folder or name)


EXPOSURES = [exposure("a", 0.0), exposure("b", 0.05), exposure("c", 0.1)]


class SmallStore:
    """A store in a folder, and the steps that are put into it."""

    def __init__(self, folder: Path, engine: str = "astrodrizzle", witness: str = "false") -> None:
        self.place = Place(open_store(str(folder)), "field", None)
        self.folder = folder / "field"
        text = f"{CAMPAIGN}drizzle: {{engine: {engine}, witness: {witness}}}\n"
        self.place.store.write_text("field/campaign.yaml", text)

    def inspect(self) -> None:
        """Retrieve and inspect the exposures."""

        def retrieve(bench: Bench) -> RetrieveResult:
            for one in EXPOSURES:
                (bench.out / one.name).write_text(one.rootname)
            return RetrieveResult(EXPOSURES)

        pristine = self._step(RETRIEVE.step("asn"), retrieve)
        self.files = dict(pristine.products)
        self._step(INSPECT.step(), lambda _: InspectionResult(EXPOSURES, []), self.files)

    def align(self, settings: dict[str, object]) -> None:
        """Align the exposures, as they are, with settings."""
        self._step(ALIGN.step(), lambda _: AlignResult(EXPOSURES), self.files, settings)

    def plan(self, scale: float = 0.13) -> None:
        """Plan the output grid."""
        cd = ((-1e-3, 0.0), (0.0, 1e-3))
        self.grid = Grid((10.1, 0.05), (15.0, 10.0), scale, 0.0, (SHAPE[1], SHAPE[0]), cd)
        pairs = [("a", "b", 100.0), ("b", "c", 50.0)]
        result = PlanResult(self.grid, pairs, [["a", "b", "c"]])
        self._step(PLAN.step(), lambda _: result, self.files, {"scale": scale})

    def compare_positions(self, *pairs: Displacement) -> None:
        """Compare the positions of stars, of the two overlaps that there are."""
        self._step(POSITIONS.step(), lambda _: PositionsResult(2, list(pairs)))

    def drizzle(
        self, method: str, skies: dict[str, float] | None = None, **further: object
    ) -> None:
        """Drizzle with one sky method; `further` is in the step's result, too."""
        sky = SKIES[method] if skies is None else skies

        def work(bench: Bench) -> DrizzleResult:
            # What the three records say of each value, which agree.
            checks = [SkyCheck(name, 1, *[value] * 3) for name, value in sky.items()]
            return replace(self._drizzled(bench, method, sky), checks=checks, **further)

        parameters = {"grid": self.grid.to_dict(), "method": method, "further": sorted(further)}
        self._step(DRIZZLE.step(method), work, self.files, parameters)

    def drizzle_at_once(self, *methods: str) -> None:
        """Drizzle with the one-pass engine, whose one step holds all methods."""

        def work(bench: Bench) -> OnepassResult:
            return OnepassResult({one: self._drizzled(bench, one, SKIES[one]) for one in methods})

        parameters = {"grid": self.grid.to_dict(), "skies": list(methods)}
        self._step(ONEPASS.step(), work, self.files, parameters)

    def hear_witness(self) -> None:
        """Let AstroDrizzle confirm what the one-pass engine made."""
        mosaics = finished(self.place, ONEPASS.step())
        assert mosaics is not None
        agreement = Agreement(pixels=600, rms=1e-8, largest=1e-7, noise=0.01)
        window = Window(0, 0, 30, 20, tuple("abc"), whole=True)
        result = WitnessResult(dict.fromkeys(mosaics.result.runs, agreement), window, [], False)
        inputs = {f"{mosaics.step}/{name}": product for name, product in mosaics.products.items()}
        parameters = {"grid": self.grid.to_dict()}
        self._step(WITNESS.step(), lambda _: result, {**self.files, **inputs}, parameters)

    def _drizzled(self, bench: Bench, method: str, sky: dict[str, float]) -> DrizzleResult:
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        wcs.wcs.crval, wcs.wcs.crpix = self.grid.crval, self.grid.crpix
        wcs.wcs.cdelt = [-1e-3, 1e-3]
        header = wcs.to_header()
        header["BUNIT"] = "ELECTRONS/S"
        data = np.full(SHAPE, 2.0 - np.mean(list(sky.values())), np.float32)
        data[0] += 0.5
        for kind, values in (("sci", data), ("wht", np.ones(SHAPE, np.float32))):
            fits.writeto(bench.out / f"field_{method}_drz_{kind}.fits", values, header)
        fits.writeto(bench.out / f"field_{method}_drz_preview.fits", data)
        stem = f"field_{method}_drz"
        return DrizzleResult(
            sky=[SkyValue(name, 1, value, 60.0) for name, value in sky.items()],
            science=f"{stem}_sci.fits",
            weight=f"{stem}_wht.fits",
            preview=f"{stem}_preview.fits",
            weight_checksum="same",
        )

    def fail(self, step: str, message: str) -> None:
        """Take down that a step failed."""
        error = {"class": "SkyError", "message": message, "exit_code": 7, "passes_by_itself": False}
        self.place.store.write_json(f"field/failed/{step}.json", {"step": step, "error": error})

    def _step(
        self,
        step: Step[R],
        work: Callable[[Bench], R],
        inputs: dict[str, Product] | None = None,
        parameters: dict[str, object] | None = None,
    ) -> Finished[R]:
        return run_step(
            self.place,
            step,
            inputs=inputs or {},
            parameters=parameters or {},
            versions={},
            work=work,
        )
