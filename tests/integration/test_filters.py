"""Two filters of one field, three tiles and two, in one file: one grid, stars in one place."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from scipy.optimize import curve_fit

import skymosaic as package
from skymosaic.archive.simulated.residuals import alignment_residuals
from skymosaic.hst.exposure import Exposure
from skymosaic.results.reading import find_run, read_finished_steps
from tests.conftest import manifests, skymosaic, write_campaign
from tests.integration.test_agreement import CASES, Watched, kinds_by_prepare, states, watch

pytestmark = pytest.mark.slow

TILES = {"F110W": ["54", "51"], "F160W": ["54", "51", "53"]}
SHARED = {"by": ["target", "filter"], "grid": "shared", "align": "shared", "reference": "F160W"}
KINDS = {
    **{"retrieve": 5, "inspect": 2, "align": 2, "plan": 2, "gather": 2},
    **{"catalogue": 1, "grid": 1},
}
ENGINES = {"astrodrizzle": {"drizzle": 4}, "onepass": {"drizzle": 4, "witness": 2}}
_REACH = 4  # pixels about a star that its centroid is fitted in


def colour(folder: Path, engine: str = "astrodrizzle", **sections: object) -> Path:
    return write_campaign(
        folder / "colour.yaml",
        **{
            "source": {"kind": "simulated", "size": "small", "filters": TILES},
            "sky": {"methods": ["localmin", "match"]},
            "drizzle": {"engine": engine, "parameters": {"final_bits": 64}},
            "groups": SHARED,
            **sections,
        },
    )


@pytest.fixture(scope="module", params=list(ENGINES))
def watched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    folder = tmp_path_factory.mktemp(f"filters-{request.param}")
    file = colour(folder, request.param)
    return watch(file, folder / "store", CASES["astrodrizzle, no checks, AstroDrizzle's methods"])


def kinds(watched: Watched) -> dict[str, int]:
    engine = "onepass" if "onepass" in str(watched.file) else "astrodrizzle"
    return {**KINDS, **ENGINES[engine]}


def mosaic(watched: Watched, filter_: str) -> Path:
    [path] = (watched.folder / "HORSEHEAD" / filter_ / "runs").rglob("*match_drz_sci.fits")
    return path


def test_all_who_tell_of_it_agree(watched: Watched) -> None:
    assert watched.error is None
    expected = kinds(watched)
    assert watched.stages("tasks") == expected
    prepared = skymosaic("prepare", watched.file, "--store", watched.store)
    assert kinds_by_prepare(prepared.out) == expected
    assert "HORSEHEAD: HORSEHEAD/F160W, HORSEHEAD/F110W have one grid" in prepared.out
    assert "      the last run's: centre RA 85.2" in prepared.out
    assert "HORSEHEAD: HORSEHEAD/F110W is aligned to HORSEHEAD/F160W" in prepared.out
    asked = skymosaic("status", watched.folder, "--json")
    assert asked.code == 0
    status = json.loads(asked.out)
    assert status["expected"] == sum(expected.values())
    titles = set(states(status))
    assert {"shared grid HORSEHEAD", "HORSEHEAD/F160W list sources"} <= titles
    ended = {e["task"] for e in watched.events if e["state"] in ("finished", "reused")}
    assert titles == ended
    assert len(ended) == sum(expected.values())
    for filter_, tiles in TILES.items():
        run = package.load(watched.folder / "HORSEHEAD" / filter_)
        assert run.complete
        assert run.methods == ("localmin", "match")
        assert len(run.exposures) == 2 * len(tiles)
        stored = watched.folder / "HORSEHEAD" / filter_ / "comparison" / "report.json"
        told = json.loads(stored.read_text())
        assert told["complete"]
    program = json.loads(skymosaic("report", watched.folder, "--format", "json").out)
    assert [(one["name"], one["state"], one["files"]) for one in program["groups"]] == [
        ("HORSEHEAD/F110W", "done", 6),
        ("HORSEHEAD/F160W", "done", 9),
    ]
    assert skymosaic("verify-store", watched.folder).code == 0
    assert skymosaic("clean", watched.folder, "--dry-run").out.strip() == ""


def test_the_mosaics_have_one_grid(watched: Watched) -> None:
    one, other = (fits.getheader(mosaic(watched, filter_)) for filter_ in TILES)
    assert (one["FILTER"], other["FILTER"]) == ("F110W", "F160W")
    for key in ("NAXIS1", "NAXIS2", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CTYPE1", "CTYPE2"):
        assert one[key] == other[key], key
    cd = np.array(
        [[header[f"CD{i}_{j}"] for i in (1, 2) for j in (1, 2)] for header in (one, other)]
    )
    # AstroDrizzle leaves its own rounding in the zeros of a matrix that is not turned.
    assert np.abs(cd[0] - cd[1]).max() < 1e-15 * np.abs(cd).max()


def test_it_is_a_grid_for_all_exposures(watched: Watched) -> None:
    grid = WCS(fits.getheader(mosaic(watched, "F160W")))
    columns, rows = grid.pixel_shape
    for filter_ in TILES:
        for exposure in aligned_exposures(watched, filter_):
            x, y = grid.wcs_world2pix(np.concatenate(exposure.polygons), 1).T
            assert min(x.min(), y.min()) > 0.49
            assert (x.max() < columns + 0.51, y.max() < rows + 0.51) == (True, True)
        plan = manifests(watched.folder / "HORSEHEAD" / filter_)["plan"]
        assert plan["result"]["grid_from"] == "groups.grid: shared"


def aligned_exposures(watched: Watched, filter_: str) -> list[Exposure]:
    found = read_finished_steps(find_run(str(watched.folder / "HORSEHEAD" / filter_)))
    assert found.aligned is not None
    return found.aligned.result.exposures


def test_stars_lie_at_the_same_places(watched: Watched) -> None:
    blue, red = (fits.getdata(mosaic(watched, filter_)).astype(float) for filter_ in TILES)
    apart = displacements(blue, red)
    assert len(apart) > 100
    assert np.abs(np.median(apart, axis=0)).max() < 0.005
    scatter = 1.4826 * np.median(np.abs(apart - np.median(apart, axis=0)), axis=0)
    assert scatter.max() < 0.02  # pixels


def displacements(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far the centroids of stars lie apart, pixels, shape (n, 2)."""
    both = np.minimum(np.nan_to_num(one), np.nan_to_num(other))
    peaks = (maximum_filter(both, 2 * _REACH + 1) == both) & (both > 15)  # e-/s
    found = []
    for y, x in zip(*np.nonzero(peaks), strict=True):
        places = [centroid(image, y, x) for image in (one, other)]
        if all(place is not None for place in places):
            found.append(np.subtract(places[1], places[0]))
    return np.array(found)


def centroid(image: NDArray[np.float64], y: int, x: int) -> tuple[float, float] | None:
    part = image[max(0, y - _REACH) : y + _REACH + 1, max(0, x - _REACH) : x + _REACH + 1]
    if part.shape != (2 * _REACH + 1,) * 2 or not np.isfinite(part).all() or (part == 0).any():
        return None
    v, u = np.mgrid[-_REACH : _REACH + 1, -_REACH : _REACH + 1]

    def star(_: object, height: float, x0: float, y0: float, width: float, level: float):
        return (height * np.exp(-0.5 * ((u - x0) ** 2 + (v - y0) ** 2) / width**2) + level).ravel()

    try:
        found, _ = curve_fit(star, 0, part.ravel(), p0=(part.max(), 0, 0, 0.8, np.median(part)))
    except RuntimeError:  # no star
        return None
    return (found[1], found[2]) if np.abs(found[1:3]).max() < 1.5 else None


def test_both_filters_lie_where_the_truth_is(watched: Watched) -> None:
    """The reference tile of F160W has no pointing error: nothing may move away from it."""
    for filter_ in TILES:
        folder = watched.folder / "HORSEHEAD" / filter_
        for path in (folder / "aligned").glob("*_flt.fits"):
            name = path.name.replace("_flt.fits", "_truth.json")
            [truth] = (folder / "pristine").rglob(name)
            [offsets] = alignment_residuals(path, truth).values()
            assert np.hypot(*offsets.T).max() < 12  # mas, a tenth of a pixel


def test_again_nothing_runs_and_a_filter_more_makes_nothing_anew(watched: Watched) -> None:
    again = skymosaic("run", watched.file, "--store", watched.store)
    assert again.code == 0
    assert " retrieve " not in again.err
    before = {name: manifests(watched.folder / "HORSEHEAD" / name) for name in TILES}
    # Its tile lies within the grid, which stays what it is.
    filters = {**TILES, "F125W": ["54"]}
    source = {"kind": "simulated", "size": "small", "filters": filters}
    engine = "onepass" if "onepass" in str(watched.file) else "astrodrizzle"
    more = skymosaic("run", colour(watched.file.parent, engine, source=source), "--store",
                     watched.store)  # fmt: skip
    assert more.code == 0, more.err
    for name, old in before.items():
        new = manifests(watched.folder / "HORSEHEAD" / name)
        changed = {step for step in new if new[step]["started"] != old[step]["started"]}
        assert changed <= {"comparison"}  # which tells of the whole file
    header = fits.getheader(mosaic(watched, "F125W"))
    assert header["CRPIX1"] == fits.getheader(mosaic(watched, "F160W"))["CRPIX1"]


def test_who_depends_on_a_group_that_fails_says_so(tmp_path: Path) -> None:
    poor = {"HORSEHEAD/F160W": {"align": {"min_sources": 100000}}}
    file, store = colour(tmp_path, groups={**SHARED, "parameters": poor}), tmp_path / "store"
    ended = skymosaic("run", file, "--store", store)
    assert ended.code == 17
    told = json.loads((store / "colour" / "groups.json").read_text())
    errors = {group["name"]: group["error"]["message"] for group in told}
    # It is no fault of the other one, whose exposures it needs for the common grid.
    assert errors["HORSEHEAD/F160W"].startswith("gates of the alignment failed: sources")
    assert errors["HORSEHEAD/F110W"].startswith(
        "HORSEHEAD/F160W, which this group depends on, failed: gates of the alignment failed"
    )
    assert skymosaic("status", store / "colour").code == 21
