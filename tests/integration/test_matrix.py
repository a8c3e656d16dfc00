"""Each imager, engine, way with cosmic rays and alignment, with plain AstroDrizzle beside it."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.drizzle.checks.witness import NOISE, RELATIVE, pixel_noise
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzlepac_calls import process
from skymosaic.methods import METHODS, column, word
from tests.conftest import skymosaic, write_campaign

CR_STEPS = ("driz_separate", "median", "blot", "driz_cr")
TILES = {"acs-wfc": (), "wfc3-uvis": (), "wfc3-ir": ("--tile", "54", "--tile", "51")}
MASKED_BY = "globalmin+match"
"""The method under whose sky onepass looks for cosmic rays, where it is asked for."""


@dataclass(frozen=True)
class Case:
    imager: str
    engine: str
    cosmic_rays: bool
    aligned: bool

    def __str__(self) -> str:
        words = ("cr" if self.cosmic_rays else "no-cr", "align" if self.aligned else "as-is")
        return "-".join((self.imager, self.engine, *words))


# Each imager, and each pair of the other choices; all of them with all methods are marked slow.
FEW = [
    Case("acs-wfc", "astrodrizzle", True, True),
    Case("wfc3-ir", "onepass", False, True),
]
MORE = [
    Case("wfc3-uvis", "onepass", True, False),
    Case("wfc3-ir", "astrodrizzle", False, False),
]
ALL = [
    Case(*choice)
    for choice in itertools.product(
        TILES, ("astrodrizzle", "onepass"), (True, False), (True, False)
    )
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of an imager's simulated exposures, made where it is asked for first."""
    folders: dict[str, Path] = {}

    def of(imager: str) -> Path:
        if imager not in folders:
            folder = tmp_path_factory.mktemp(imager)
            options = ("--size", "small", "--instrument", imager, "--dithers", "2", *TILES[imager])
            ended = skymosaic("--quiet", "simulate", folder, *options)
            assert ended.code == 0, ended.err
            folders[imager] = folder
        return folders[imager]

    return of


@dataclass(frozen=True)
class Mosaic:
    science: np.ndarray
    weight: np.ndarray
    sky: Mapping[tuple[str, int], float]

    @staticmethod
    def read(science: Path) -> Mosaic:
        weight = Path(str(science).replace("_sci.fits", "_wht.fits"))
        with fits.open(science) as hdus:
            table = hdus["HDRTAB"].data
            names = [str(name).strip().lower() for name in table["ROOTNAME"]]
            keys = zip(names, map(int, table["EXTVER"]), strict=True)
            sky = dict(zip(keys, map(float, table["MDRIZSKY"]), strict=True))
            return Mosaic(hdus[0].data.astype(float), fits.getdata(weight).astype(float), sky)


def _plain(folder: Path, files: list[Path], method: str, recorded: Mapping[str, Any]) -> Mosaic:
    """Run AstroDrizzle as anybody would on private copies of the aligned files."""
    folder.mkdir()
    for file in files:
        shutil.copy(file, folder / file.name)
        with fits.open(folder / file.name, mode="update") as hdus:
            for hdu in hdus:
                hdu.header.remove("MDRIZSKY", ignore_missing=True)
    parameters = {
        **recorded["astrodrizzle"],
        **Grid.from_call(recorded["grid"]).final_parameters(),
        "skymethod": method,
        **{"mdriztab": False, "preserve": False, "build": False, "num_cores": 1},
        **{"in_memory": False, "clean": True, "runfile": "plain.log"},
    }
    arguments = {"files": [f.name for f in files], "output": "plain", "parameters": parameters}
    process.call("astrodrizzle", folder, arguments, folder / "call.log")
    return Mosaic.read(next(folder.glob("plain_dr?_sci.fits")))


def _require_same(case: Case, method: str, ours: Mosaic, plain: Mosaic, times: Any) -> None:
    assert ours.sky.keys() == plain.sky.keys()
    for (rootname, chip), value in plain.sky.items():
        spacing = float(np.spacing(np.float32(value)))
        # A float32 spacing, or 1e-7 e-/s
        allowed = max(spacing, 1e-7 * times(rootname))
        assert abs(ours.sky[rootname, chip] - value) <= allowed, (method, rootname, chip)
    seen = plain.weight > 0
    own_masks = case.engine == "astrodrizzle" or not case.cosmic_rays or method == MASKED_BY
    if own_masks:
        np.testing.assert_array_equal(ours.weight > 0, seen)
        np.testing.assert_allclose(ours.weight, plain.weight, rtol=2e-6)
    else:  # masks found under another method's sky: compared where they are the same
        seen = seen & np.isclose(ours.weight, plain.weight, rtol=2e-6)
        assert seen.sum() > 0.5 * (plain.weight > 0).sum()
    off = np.abs(ours.science - plain.science)[seen]
    noise = pixel_noise(plain.science, plain.weight)
    allowed = np.maximum(NOISE * noise, RELATIVE * np.abs(plain.science[seen]))
    assert (off <= allowed).all(), (method, float((off / allowed).max()))


def _compare(case: Case, folder: Path, data: Path, methods: tuple[str, ...]) -> None:
    parameters = dict.fromkeys(CR_STEPS, case.cosmic_rays)
    path = write_campaign(
        folder / "field.yaml",
        source={"kind": "directory", "path": str(data)},
        sky={"methods": list(methods)},
        drizzle={"engine": case.engine, "parameters": parameters},
        **({} if case.aligned else {"align": "none"}),
    )
    ended = skymosaic("run", path, "--store", folder / "store", "--workers", "1")
    assert ended.code == 0, ended.err
    results = folder / "store" / "field"
    files = sorted((results / ("aligned" if case.aligned else "pristine")).glob("*_fl[tc].fits"))
    assert files
    exptimes = {file.name[:9]: float(fits.getval(file, "EXPTIME")) for file in files}
    counts = fits.getval(files[0], "BUNIT", ext=("SCI", 1)) == "ELECTRONS"

    def times(rootname: str) -> float:
        return exptimes[rootname] if counts else 1.0

    for method in methods:
        step = word(method)
        recorded = json.loads((results / "manifests" / "runs" / f"{step}.json").read_text())[
            "parameters"
        ]
        plain = _plain(folder / column(method), files, method, recorded)
        [science] = (results / "runs" / step).glob(f"field_{column(method)}_dr?_sci.fits")
        _require_same(case, method, Mosaic.read(science), plain, times)


@pytest.mark.parametrize(
    "case",
    [*FEW, *(pytest.param(case, marks=pytest.mark.campaign) for case in MORE)],
    ids=str,
)
def test_what_a_campaign_makes_is_what_astrodrizzle_makes(
    case: Case, data: Callable[[str], Path], tmp_path: Path
) -> None:
    _compare(case, tmp_path, data(case.imager), (MASKED_BY,))


@pytest.mark.slow
@pytest.mark.parametrize("case", ALL, ids=str)
def test_every_combination_and_method(
    case: Case, data: Callable[[str], Path], tmp_path: Path
) -> None:
    _compare(case, tmp_path, data(case.imager), METHODS)
