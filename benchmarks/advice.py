"""Does the advice name the sky method that is closest to the truth? On fields that favour each.

Each field is simulated in small frames with its true WCS, so that alignment plays no part. What
`localmin` and `match` subtract is computed by AstroDrizzle's own sky step (stsci.skypac), all its
other steps off; `globalmin` and `globalmin+match` follow from the two by the relations that hold in
every run (report/invariants.py). The advice sees the exposures and these values, as in the gather
stage; no mosaic is drizzled, so that seams play no part. The truth: rms over exposures of what was
subtracted minus the simulated sky.

A field is a success where the advice names the method that is closest to the truth, and no other;
or names several that it does not tell apart, the closest among them, and each within what it calls
negligible of that, or within three standard errors of what it says that they differ by. An advice
that says 'not known' is no success. Strictly right: as above, but each within the negligible alone.

    python benchmarks/advice.py --seeds 10
    python benchmarks/advice.py --seeds 2 --case nebula --keep FOLDER   # keeps the fields there

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic.archive.simulated.exposures import Simulation, simulate_visit, visit_files
from skymosaic.archive.simulated.names import SceneName
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzlepac_calls import process
from skymosaic.evidence.background import NEGLIGIBLE
from skymosaic.evidence.cells import CellGrid, Cells, ChipImage, cell_side, measure_cells
from skymosaic.evidence.evidence import Measurements, gather_evidence
from skymosaic.methods import METHODS

COLUMN = ("50", "53", "56")
ROW = ("51", "54", "57")


@dataclass(frozen=True)
class Case:
    """A kind of field."""

    scene: SceneName
    favours: str
    tiles: tuple[str, ...] = ()
    displace: Mapping[str, tuple[float, float]] = field(default_factory=dict)


APART = dict.fromkeys(COLUMN, (40.0, 0.0))
CASES = {
    "sparse field": Case("sparse", "localmin, globalmin+match"),
    "nebula": Case("nebula", "globalmin+match"),
    "matched backgrounds": Case("equal-skies", "globalmin, globalmin+match"),
    "asymmetric emission": Case("one-sided", "globalmin+match"),
    "emission everywhere": Case("filled", "match"),
    "two groups, sparse": Case("sparse", "localmin", displace=APART),
    "two groups, one sky": Case("equal-skies", "globalmin", displace=APART),
    "saturated star": Case("saturated", "localmin", tiles=ROW),
}


def make_field(case: Case, seed: int, folder: Path) -> list[str]:
    """Simulate a field with the true WCS in the headers; return the names of its exposures."""
    simulation = Simulation(
        seed=seed,
        size="small",
        tiles=case.tiles,
        dithers=1,
        displace=case.displace,
        scene=case.scene,
    )
    visits = visit_files(simulation)
    for visit in visits:
        simulate_visit(simulation, visit, folder)
    names = [f"{rootname}_flt.fits" for its in visits.values() for rootname in its]
    for name in names:
        true = _truth(folder, name)["true_wcs"]
        with fits.open(folder / name, mode="update") as hdus:
            header = hdus["SCI", 1].header
            header["CRVAL1"], header["CRVAL2"] = true["crval"]
            (header["CD1_1"], header["CD1_2"]), (header["CD2_1"], header["CD2_2"]) = true["cd"]
            del header["MDRIZSKY"]
    return names


def _truth(folder: Path, name: str) -> dict:
    return json.loads((folder / name.replace("_flt.fits", "_truth.json")).read_text())


def subtracted(folder: Path, names: list[str], method: str) -> dict[str, float | None]:
    """Return what AstroDrizzle's sky step finds; None where it is undetermined."""
    work = folder / method
    work.mkdir()
    for name in names:
        shutil.copy(folder / name, work / name)
    parameters = {
        **pars.for_method(pars.resolve({}), {}, method),
        "driz_combine": False,
        "final_wcs": False,
    }
    process.call(
        "astrodrizzle",
        work,
        {"files": names, "output": "none", "parameters": parameters},
        work / "printed.log",
    )
    log = (work / "astrodrizzle.log").read_text() + (work / "printed.log").read_text()
    assert "Reverting sky computation" not in log, "AstroDrizzle ran another method"
    found = {name[:9]: fits.getval(work / name, "MDRIZSKY", ext=("SCI", 1)) for name in names}
    shutil.rmtree(work)
    return {name: float(sky) for name, sky in found.items()}


def all_methods(folder: Path, names: list[str]) -> dict[str, dict[str, float]]:
    """Return the skies of all four methods."""
    local, match = (subtracted(folder, names, method) for method in ("localmin", "match"))
    lowest = min(local.values())
    constant = min(local[name] - match[name] for name in local)
    return {
        "localmin": local,
        "match": match,
        "globalmin": dict.fromkeys(local, lowest),
        "globalmin+match": {name: sky + constant for name, sky in match.items()},
    }


def in_cells(folder: Path, names: list[str]) -> tuple[list[Cells], CellGrid, float, float]:
    """Return the exposures in cells, the grid, the pixel scale and the side of a cell, arcsec."""
    frames = []
    for name in names:
        with fits.open(folder / name) as hdus:
            header = hdus["SCI", 1].header
            science = hdus["SCI", 1].data.astype(np.float32)
            good = hdus["DQ", 1].data == 0
            chip = ChipImage(science, good, WCS(header), 1.0)
            frames.append((name[:9], chip, float(hdus[0].header["EXPTIME"])))
            scale = float(header["IDCSCALE"])
    corners = np.concatenate([chip.wcs.calc_footprint() for _, chip, _ in frames])
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = corners.mean(axis=0)
    wcs.wcs.cdelt = [-scale / 3600.0, scale / 3600.0]
    reach = np.abs(wcs.wcs_world2pix(corners, 0)).max() + 2.0
    wcs.wcs.crpix = [reach + 1.0, reach + 1.0]
    side = cell_side(scale, scale, 256)
    rows = int(2 * reach) // side + 2
    grid = CellGrid(wcs, side, (rows, rows))
    cells = [measure_cells(name, [chip], grid, exptime) for name, chip, exptime in frames]
    return [one for one in cells if one is not None], grid, scale, side * scale


@dataclass(frozen=True)
class Outcome:
    """What the advice said of a field, and what is true."""

    named: tuple[str, ...]
    closest: str
    truth: Mapping[str, float]
    """By method: rms error, e-/s."""
    negligible: float
    """5% of the noise of a pixel, e-/s."""
    allowed: float
    """By how much named methods may differ, e-/s: the negligible, or what the advice says."""
    sentence: str
    codes: tuple[str, ...]

    @property
    def success(self) -> bool:
        """Whether the advice was right."""
        return self._within(self.allowed)

    @property
    def strict(self) -> bool:
        """Whether it was right, and named no method that is worse by more than the negligible."""
        return self._within(self.negligible)

    def _within(self, allowed: float) -> bool:
        best = self.truth[self.closest]
        return self.closest in self.named and all(
            self.truth[method] - best <= allowed for method in self.named
        )


def try_field(case: Case, keep: Path, seed: int) -> Outcome:
    """Simulate a field, or take it from where it was kept, and compare advice and truth."""
    folder = keep / f"{case.scene}{'-apart' if case.displace else ''}-{seed}"
    if not (folder / "skies.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        names = make_field(case, seed, folder)
        (folder / "skies.json").write_text(json.dumps(all_methods(folder, names)))
    names = sorted(path.name for path in folder.glob("*_flt.fits"))
    skies = json.loads((folder / "skies.json").read_text())
    true = {name[:9]: float(_truth(folder, name)["sky"]) for name in names}
    cells, grid, scale, side = in_cells(folder, names)
    evidence = gather_evidence(Measurements(cells, grid, skies, scale, side))
    errors = {
        method: float(np.sqrt(np.mean([(its[name] - true[name]) ** 2 for name in true])))
        for method, its in skies.items()
    }
    advice = evidence.advice
    noise = float(np.median([one.noise for one in cells]))
    return Outcome(
        named=advice.methods,
        closest=min(errors, key=lambda method: errors[method]),
        truth=errors,
        negligible=NEGLIGIBLE * noise,
        allowed=max(NEGLIGIBLE * noise, advice.apart + 3.0 * advice.apart_error),
        sentence=f"{advice.verdict}: {advice.sentence}",
        codes=tuple(finding.code for finding in advice.findings),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--case", choices=[*CASES], action="append")
    parser.add_argument("--keep", type=Path, help="where fields are kept, and taken from")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(options.jobs) as pool:
        keep = options.keep or Path(scratch)
        print("| Field | Closest to the truth | Advised, or not told apart | Right | Strictly |")
        print("|---|---|---|---|---|")
        for name in options.case or CASES:
            case = CASES[name]
            seeds = range(options.first_seed, options.first_seed + options.seeds)
            outcomes = list(pool.map(partial(try_field, case, keep), seeds))
            right = sum(outcome.success for outcome in outcomes)
            closest = _counted([outcome.closest for outcome in outcomes])
            named = _counted([", ".join(outcome.named) or "not known" for outcome in outcomes])
            strict = sum(outcome.strict for outcome in outcomes)
            counts = f"{right} of {len(outcomes)} | {strict} of {len(outcomes)}"
            print(f"| {name} | {closest} | {named} | {counts} |", flush=True)
            results[name] = [
                {**vars(outcome), "success": outcome.success, "strict": outcome.strict}
                for outcome in outcomes
            ]
    means = {
        name: {
            method: round(float(np.mean([one["truth"][method] for one in outcomes])), 4)
            for method in METHODS
        }
        for name, outcomes in results.items()
    }
    print("\n| Mean true error, e-/s | " + " | ".join(METHODS) + " |")
    print("|---|" + "---|" * len(METHODS))
    for name, errors in means.items():
        print(f"| {name} | " + " | ".join(f"{errors[method]:.4f}" for method in METHODS) + " |")
    right = {name: sum(one["success"] for one in its) for name, its in results.items()}
    strictly = {name: sum(one["strict"] for one in its) for name, its in results.items()}
    seeds = [options.first_seed, options.first_seed + options.seeds - 1]
    print(json.dumps({"seeds": seeds, "right": right, "strictly": strictly, "mean_error": means}))
    if options.keep:
        (options.keep / "outcomes.json").write_text(json.dumps(results, indent=1))


def _counted(names: list[str]) -> str:
    """Return each name and how often it came, the most frequent first."""
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return "; ".join(f"{name} ({count})" for name, count in ordered)


if __name__ == "__main__":
    main()
