"""A campaign in a store without running it: steps of three exposures and two sky methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic.hst.exposure import Chip, Exposure
from skymosaic.sky.values import SkyValue
from skymosaic.steps.step import Bench, Finished, Place, finished, run_step
from skymosaic.store import open_store

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


EXPOSURES = [exposure("a", 0.0), exposure("b", 0.05), exposure("c", 0.1)]


class SmallStore:
    """A store in a folder, and the steps that are put into it."""

    def __init__(self, folder: Path, engine: str = "astrodrizzle", witness: str = "false") -> None:
        self.place = Place(open_store(str(folder)), "field", None)
        self.where = folder / "field"
        text = f"{CAMPAIGN}drizzle: {{engine: {engine}, witness: {witness}}}\n"
        self.place.store.write_text("field/campaign.yaml", text)

    def inspect(self) -> None:
        """Retrieve and inspect the exposures."""

        def retrieve(bench: Bench) -> dict[str, object]:
            for one in EXPOSURES:
                (bench.out / one.name).write_text(one.rootname)
            return {"images": [one.to_dict() for one in EXPOSURES]}

        pristine = self._step("pristine/asn", "pristine", retrieve)
        self.files = dict(pristine.products)
        records = [one.to_dict() for one in EXPOSURES]
        self._step(
            "inspection", "inspection", lambda _: {"exposures": records, "drizzled": []}, self.files
        )

    def align(self, settings: dict[str, object]) -> None:
        """Align the exposures, as they are, with settings."""
        records = [one.to_dict() for one in EXPOSURES]
        self._step(
            "aligned",
            "aligned",
            lambda _: {"exposures": records, "alignment": None},
            self.files,
            settings,
        )

    def plan(self, scale: float = 0.13) -> None:
        """Plan the output grid."""
        grid = {"shape": list(SHAPE[::-1]), "scale": scale, "rot": 0.0}
        grid |= {"crval": [10.1, 0.05], "crpix": [15.0, 10.0], "cd": [[-1e-3, 0.0], [0.0, 1e-3]]}
        self.grid = grid
        pairs = [["a", "b", 100.0], ["b", "c", 50.0]]
        result = {"grid": grid, "pairs": pairs, "groups": [["a", "b", "c"]]}
        self._step("plan", "plan", lambda _: result, self.files, {"scale": scale})

    def compare_positions(self, *pairs: dict[str, object]) -> None:
        """Compare the positions of stars, of the two overlaps that there are."""
        result = {"overlaps": 2, "pairs": list(pairs)}
        self._step("positions", "positions", lambda _: result)

    def drizzle(
        self, method: str, skies: dict[str, float] | None = None, **further: object
    ) -> None:
        """Drizzle with one sky method; `further` is in the step's result, too."""
        sky = SKIES[method] if skies is None else skies

        def work(bench: Bench) -> dict[str, object]:
            return {**self._made(bench, method, sky), **further}

        folder = f"runs/{method}"
        made_with = {"grid": self.grid, "method": method, "further": sorted(further)}
        self._step(folder, folder, work, self.files, made_with)

    def drizzle_at_once(self, *methods: str) -> None:
        """Drizzle with the one-pass engine, whose one step holds all methods."""

        def work(bench: Bench) -> dict[str, object]:
            runs = {one: self._made(bench, one, SKIES[one]) for one in methods}
            for one in runs.values():
                del one["checks"]  # AstroDrizzle, whose records they are, was not at work
            return {"runs": runs}

        step, parameters = "runs/onepass", {"grid": self.grid, "skies": list(methods)}
        self._step(step, step, work, self.files, parameters)

    def hear_witness(self) -> None:
        """Let AstroDrizzle confirm what the one-pass engine made."""
        made = finished(self.place, "runs/onepass")
        assert made is not None
        agreement = {"pixels": 600, "rms": 1e-8, "largest": 1e-7, "noise": 0.01}
        window = {"x": 0, "y": 0, "columns": 30, "rows": 20, "exposures": list("abc")}
        result = {
            "methods": dict.fromkeys(made.result["runs"], agreement),
            "window": {**window, "whole": True},
            "left_out": [],
            "cosmic_rays": False,
        }
        inputs = {f"{made.step}/{name}": product for name, product in made.products.items()}
        self._step(
            "witness", "witness", lambda _: result, {**self.files, **inputs}, {"grid": self.grid}
        )

    def _made(self, bench: Bench, method: str, sky: dict[str, float]) -> dict[str, object]:
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        wcs.wcs.crval, wcs.wcs.crpix = self.grid["crval"], self.grid["crpix"]
        wcs.wcs.cdelt = [-1e-3, 1e-3]
        header = wcs.to_header()
        header["BUNIT"] = "ELECTRONS/S"
        data = np.full(SHAPE, 2.0 - np.mean(list(sky.values())), np.float32)
        data[0] += 0.5
        for kind, values in (("sci", data), ("wht", np.ones(SHAPE, np.float32))):
            fits.writeto(bench.out / f"field_{method}_drz_{kind}.fits", values, header)
        fits.writeto(bench.out / f"field_{method}_drz_preview.fits", data)
        stem = f"field_{method}_drz"
        values = [asdict(SkyValue(name, 1, value, 60.0)) for name, value in sky.items()]
        told = {"header", "hdrtab", "log"}
        return {
            "sky": values,
            "checks": [
                {"rootname": n, "chip": 1, "agree": True, **dict.fromkeys(told, v)}
                for n, v in sky.items()
            ],
            "science": f"{stem}_sci.fits",
            "weight": f"{stem}_wht.fits",
            "preview": f"{stem}_preview.fits",
            "weight_checksum": "same",
        }

    def fail(self, step: str, message: str) -> None:
        """Take down that a step failed."""
        error = {"class": "SkyError", "message": message, "exit_code": 7, "passes_by_itself": False}
        self.place.store.write_json(f"field/failed/{step}.json", {"step": step, "error": error})

    def _step(
        self,
        name: str,
        folder: str,
        work: Callable[[Bench], dict[str, object]],
        inputs: object = None,
        parameters: object = None,
    ) -> Finished:
        return run_step(
            self.place,
            name,
            folder=folder,
            inputs=inputs or {},
            parameters=parameters or {},
            versions={},
            work=work,
        )
