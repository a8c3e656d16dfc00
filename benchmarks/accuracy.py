"""Sky methods against the truth, and against what is possible at all.

Fields of 9 tiles with 2 exposures each are simulated, with several realisations of their noise. For
each, the skies by each method are compared with the truth: the rms and the largest error of one
exposure's sky against the mean of its group. Beside them stands the Cramer-Rao limit: the error of
the best unbiased estimate where the scene is unknown in every pixel, each exposure has one
constant, and the noise is what the simulation adds. localmin, match and globalmin+match are by the
sky engine, which gives AstroDrizzle's numbers (to 1e-6 e-/s); match-differences is this project's;
Montage and reproject find theirs from the same drizzled images (`accuracy_rivals.py`). Where one
of the two is not installed its column says so: `apt-get install montage` (Debian, Ubuntu) has the
commands of Montage, `pip install reproject` the other.

    python benchmarks/accuracy.py --size small --noises 3 --field nebula   # quick
    python benchmarks/accuracy.py --noises 10 --field "sparse field"       # full frames
    python benchmarks/accuracy.py --noises 50 --field nebula --no-rivals   # are the errors honest?

With --results FILE the errors are kept and added to, so that a long run can be made in pieces
(--first-noise), and --show tabulates them.

With --masks each method's skies are measured with `sky.mask_sources`, too, and with --planes those
of match-differences with `sky.planes` (`accuracy_options.py`), in tables of their own:

    python benchmarks/accuracy.py --size small --no-rivals --masks --field "crowded stars"
    python benchmarks/accuracy.py --size small --no-rivals --planes --field "a gradient an exposure"

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accuracy_fields import FIELDS, Field, Truth, lights, simulation_of, write
from accuracy_limit import cramer_rao
from accuracy_options import (
    by_medians,
    left_in,
    masks_table,
    planes_table,
    with_masks,
    with_planes,
)
from accuracy_rivals import montage, reproject

from skymosaic.archive.simulated.simulation import Simulation
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.grid_differences import measure_patches
from skymosaic.drizzle.onepass.run import drizzle_chips
from skymosaic.drizzle.onepass.sky import SkySettings
from skymosaic.drizzle.onepass.sums import CutOut, Load
from skymosaic.drizzlepac_calls import process
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.reading import read_exposure
from skymosaic.sky.difference_fit import MatchedSkies, centred, match_differences

METHODS = ("localmin", "match", "globalmin+match", "match-differences", "Montage", "reproject")
PARAMETERS = pars.resolve({"final_bits": "64", "final_rot": 257.0})
SEED = 12812


def plan(folder: Path, names: list[str]) -> Grid:
    arguments = {"files": names, "final": pars.grid_choice(PARAMETERS)}
    call = process.call("output_grid", folder, arguments, folder / "plan.log")
    return Grid.from_call(call.value)


@dataclass
class Drizzled:
    """The exposures of a realisation, on the common grid."""

    folder: Path
    exposures: list[Exposure]
    grid: Grid
    cut_outs: list[CutOut]
    load: Load

    @property
    def factor(self) -> np.ndarray:
        """What a sky has become on the grid."""
        return np.array([cut_out.factor for cut_out in self.cut_outs])


def drizzled(folder: Path, names: list[str], jobs: int) -> Drizzled:
    grid = plan(folder, names)
    exposures = [read_exposure(folder / name) for name in names]
    cut_outs, load = drizzle_chips(
        folder, folder / "log", exposures, grid, PARAMETERS, processes=jobs
    )
    return Drizzled(folder, exposures, grid, cut_outs, load)


def try_field(
    field: Field,
    size: str,
    noises: range,
    rivals: int,
    jobs: int,
    known: dict,
    *,
    masks: bool = False,
    planes: bool = False,
) -> dict:
    """Return the errors of all exposures, by realisation and method, and the limit; e-/s."""
    simulation = simulation_of(field, size, SEED)
    truths = lights(field, simulation)
    true = np.array([truth.exposure.sky for truth in truths])
    found = {"limit": known.get("limit"), "noises": dict(known.get("noises", {}))}
    for noise in noises:
        with tempfile.TemporaryDirectory(prefix="skymosaic-benchmark-") as scratch:
            folder = Path(scratch)
            data = drizzled(folder, write(simulation, truths, folder, noise), jobs)
            patches, offsets = measure_patches(
                data.grid.shape, data.cut_outs, data.load, range(len(data.exposures))
            )
            matched = match_differences(len(data.exposures), patches, offsets)
            skies: dict[str, np.ndarray | None] = {
                "match-differences": matched.offsets / data.factor
            }
            settings = SkySettings.from_parameters(PARAMETERS)
            skies |= by_medians(folder, data.exposures, settings)
            beside: dict = {}
            if masks:
                add_masked(data, settings, skies, beside)
            if planes:
                add_planes(data, field, simulation, truths, skies, beside)
            if noise - noises.start < rivals:
                add_rivals(data, skies)
            if found["limit"] is None:
                limit = cramer_rao(truths, data.grid, data.cut_outs, data.load)
                found["limit"] = limit.tolist()
        found["noises"][str(noise)] = {
            **errors_of(noise, skies, true, matched, data.factor),
            **beside,
        }
    process.close()
    return found


def add_masked(data: Drizzled, settings: SkySettings, skies: dict, beside: dict) -> None:
    """Add the skies measured with `sky.mask_sources`."""
    masked, share = with_masks(
        data.folder, data.exposures, settings, data.grid, data.cut_outs, data.load
    )
    skies |= {f"{method}, masked": values for method, values in masked.items()}
    beside["masked"] = share


def add_planes(
    data: Drizzled,
    field: Field,
    simulation: Simulation,
    truths: list[Truth],
    skies: dict,
    beside: dict,
) -> None:
    """Add the skies of match-differences with `sky.planes`, and what each leaves in the mosaic."""
    middle, tilts, beside["planes told"] = with_planes(
        data.exposures, data.grid, data.cut_outs, data.load
    )
    skies["match-differences, planes"] = middle
    subtracted = {
        **{method: (skies[method], ()) for method in ("match", "match-differences")},
        "match-differences, planes": (middle, tilts),
    }
    beside["left"] = left_in(field, simulation, truths, data.grid, data.cut_outs, subtracted)


def add_rivals(data: Drizzled, skies: dict) -> None:
    """Add the skies of other programs; None where one is not installed."""
    for name, theirs in (
        ("Montage", montage(data.folder, data.grid, data.cut_outs, data.load)),
        ("reproject", reproject(data.grid, data.cut_outs, data.load)),
    ):
        skies[name] = None if theirs is None else theirs / data.factor


def errors_of(
    noise: int, skies: dict, true: np.ndarray, matched: MatchedSkies, factor: np.ndarray
) -> dict:
    """Return the errors of each method in one realisation, and print those of the best known."""
    values_of = {method: values for method, values in skies.items() if values is not None}
    errors = {
        method: centred(values - true, matched.groups) for method, values in values_of.items()
    }
    stated = matched.errors / factor
    last = errors["match-differences"]
    print(
        f"  noise {noise}: match-differences {1e3 * rms(last):.4f} me-/s, match "
        f"{1e3 * rms(errors['match']):.4f}, pulls {rms(last / stated):.2f}, "
        f"{matched.patches} patches, {matched.doubtful} doubtful, noise factor "
        f"{matched.noise_factor:.2f}",
        flush=True,
    )
    return {
        "errors": {method: values.tolist() for method, values in errors.items()},
        "stated": stated.tolist(),
        "levels": {
            method: float(np.nanmean(values - true)) for method, values in values_of.items()
        },
    }


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(np.square(values))))


def summary(raw: dict) -> dict:
    """Return rms, maximum and ratio to the limit of each method; milli-e-/s."""
    errors: dict[str, list] = defaultdict(list)
    for one in raw["noises"].values():
        for method, values in one["errors"].items():
            errors[method].append(values)
    stated = np.array([one["stated"] for one in raw["noises"].values()])
    possible = rms(np.array(raw["limit"]))
    found: dict = {"limit": round(1e3 * possible, 4)}
    for method in METHODS:
        if method not in errors:
            continue
        own = np.array(errors[method])
        # The realisations of one field share its scene: they tell the scatter, not the bias.
        each = np.sqrt(np.nanmean(own**2, axis=1))
        found[method] = {
            "rms": round(1e3 * rms(own), 4),
            "largest": round(1e3 * float(np.nanmax(np.abs(own))), 4),
            "to_limit": round(rms(own) / possible, 2),
            "scatter_of_rms": round(1e3 * float(each.std()), 4),
            "realisations": len(own),
        }
    pulls = np.array(errors["match-differences"]) / stated
    found["stated"] = round(1e3 * rms(stated), 4)
    found["pulls"] = {
        "rms": round(rms(pulls), 3),
        "standard_deviation": round(float(np.nanstd(pulls)), 3),
        "by_exposure": [round(rms(one), 2) for one in pulls.T],
    }
    return found


def table(results: dict[str, dict]) -> str:
    """Return rms (largest) of each method and field, ratio to the limit, stated error, pulls."""
    lines = [
        "| Field | limit | " + " | ".join(METHODS) + " | to the limit | stated | pulls |",
        "|---" * (len(METHODS) + 5) + "|",
    ]
    for name, found in results.items():
        cells = [
            f"{found[m]['rms']:.3f} ({found[m]['largest']:.2f})" if m in found else "not run"
            for m in METHODS
        ]
        stated = [
            f"{found['match-differences']['to_limit']:.2f}",
            f"{found['stated']:.3f}",
            f"{found['pulls']['rms']:.2f}",
        ]
        lines.append("| " + " | ".join([name, f"{found['limit']:.3f}", *cells, *stated]) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--field", choices=[*FIELDS], action="append")
    parser.add_argument("--size", choices=["small", "full"], default="full")
    parser.add_argument("--noises", type=int, default=5, help="realisations of the noise")
    parser.add_argument("--first-noise", type=int, default=0)
    parser.add_argument("--rivals", type=int, default=2, help="realisations for the rivals, too")
    parser.add_argument("--no-rivals", action="store_const", const=0, dest="rivals")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--results", type=Path, help="JSON file of all errors, added to")
    parser.add_argument("--show", action="store_true", help="tabulate --results, run nothing")
    parser.add_argument("--masks", action="store_true", help="with sky.mask_sources, too")
    parser.add_argument("--planes", action="store_true", help="with sky.planes, too")
    options = parser.parse_args()
    noises = range(options.first_noise, options.first_noise + options.noises)
    raw: dict = {}
    if options.results and options.results.exists():
        raw = json.loads(options.results.read_text())
    for name in () if options.show else options.field or FIELDS:
        print(name, flush=True)
        raw[name] = try_field(
            FIELDS[name],
            options.size,
            noises,
            options.rivals,
            options.jobs,
            raw.get(name, {}),
            masks=options.masks,
            planes=options.planes,
        )
        if options.results:
            options.results.write_text(json.dumps(raw))
    results = {name: summary(raw[name]) for name in FIELDS if name in raw}
    print(f"\nrms (largest) error in milli-e-/s, {options.size} frames\n\n{table(results)}")
    if options.masks:
        print(f"\nwith sky.mask_sources, milli-e-/s\n\n{masks_table(raw)}")
    if options.planes:
        print(f"\nwith sky.planes, milli-e-/s\n\n{planes_table(raw)}")
    print(json.dumps({"size": options.size, "load": os.getloadavg()[1], "fields": results}))


if __name__ == "__main__":
    main()
