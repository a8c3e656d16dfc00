"""The one-pass engine against AstroDrizzle, on the same files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.drizzle import astrodrizzle
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.astrodrizzle import Drizzled
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.run import Options, drizzle_all
from skymosaic.errors import DrizzleError, SkyError
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.reading import read_exposure
from skymosaic.methods import METHODS, column
from tests.frames import Frame, plan, write_frames, write_two_chip_frames

FRAMES = [
    Frame(0, 0, 0, 1.0),
    Frame(30.3, 10.7, 5, 1.3, exptime=300.0),
    Frame(-60, -60.4, 80, 0.9),
    Frame(300, 250, 3, 2.0),  # meets no other
]
NOISE, RELATIVE = 1e-4, 2e-6
Write = Callable[[Path, Sequence[Frame]], list[str]]


class Sides:
    """Both engines' products of the same exposures."""

    def __init__(
        self, folder: Path, write: Write, methods: Sequence[str], **parameters: Any
    ) -> None:
        data = folder / "data"
        data.mkdir()
        names = write(data, FRAMES)
        self.parameters = pars.resolve({"final_bits": 64, **parameters})
        self.grid = plan(data, names, **pars.grid_choice(self.parameters))
        self.exposures = [read_exposure(data / name) for name in names]
        self.theirs, self.folders = {}, {}
        for method in methods:
            work = self._copy(data, folder / column(method))
            self.folders[method] = work
            self.theirs[method] = astrodrizzle.drizzle(
                *(work, work / "log", self.exposures, f"out_{column(method)}", method),
                *(self.grid, self.parameters),
            )
        self.work = self._copy(data, folder / "onepass")
        self.ours = drizzle_all(
            *(self.work, self.work / "log", self.exposures),
            {method: f"out_{column(method)}" for method in methods},
            {method: SkyChoice(method) for method in methods},
            *(self.grid, self.parameters, Options(processes=2)),
        )

    @staticmethod
    def _copy(data: Path, work: Path) -> Path:
        shutil.copytree(data, work)
        return work


def require_equal_mosaics(theirs: Drizzled, ours: Drizzled) -> None:
    a, b = fits.getdata(theirs.science), fits.getdata(ours.science)
    wa, wb = fits.getdata(theirs.weight), fits.getdata(ours.weight)
    np.testing.assert_allclose(wb, wa, rtol=1e-6, atol=1e-6 * wa.max())
    np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
    seen = ~np.isnan(a)
    both = (wa[:, 1:] > 0) & (wa[:, :-1] > 0)
    noise = 1.4826 * np.median(np.abs(np.diff(a, axis=1)[both])) / np.sqrt(2)
    allowed = np.maximum(NOISE * noise, RELATIVE * np.abs(a[seen]))
    assert (np.abs(a[seen] - b[seen]) <= allowed).all(), np.abs(a[seen] - b[seen]).max()


def keywords(header: fits.Header) -> dict[str, Any]:
    return {
        card.keyword: card.value for card in header.cards if card.keyword not in ("", "HISTORY")
    }


def require_equal_headers(theirs: Path, ours: Path) -> None:
    a, b = keywords(fits.getheader(theirs)), keywords(fits.getheader(ours))
    assert list(a) == list(b)
    for name, value in a.items():
        if isinstance(value, float) and not isinstance(b[name], str):
            assert b[name] == pytest.approx(value, rel=1e-12), name
        else:
            assert b[name] == value, name


def require_equal_products(theirs: Drizzled, ours: Drizzled) -> None:
    require_equal_headers(theirs.science, ours.science)
    require_equal_headers(theirs.weight, ours.weight)
    a, b = (fits.getdata(side.science, "HDRTAB") for side in (theirs, ours))
    assert a.dtype == b.dtype
    for name in a.names:
        if name == "MDRIZSKY":
            np.testing.assert_allclose(b[name], a[name], rtol=1e-9)  # NaN is equal to NaN
        else:
            np.testing.assert_array_equal(a[name], b[name], name)


METHOD = "globalmin+match"


@pytest.fixture(scope="module")
def one_method(tmp_path_factory: pytest.TempPathFactory) -> Sides:
    return Sides(tmp_path_factory.mktemp("one"), write_frames, [METHOD])


def test_mosaics_and_weights_are_those_of_astrodrizzle(one_method: Sides) -> None:
    for method, theirs in one_method.theirs.items():
        require_equal_mosaics(theirs, one_method.ours[method])
        for ours, other in zip(one_method.ours[method].sky, theirs.sky, strict=True):
            assert (ours.rootname, ours.chip) == (other.rootname, other.chip)
            assert ours.mdrizsky == pytest.approx(other.mdrizsky, abs=1e-6)
            assert ours.brightness_factor == other.brightness_factor


def test_headers_and_hdrtab_are_those_of_astrodrizzle(one_method: Sides) -> None:
    require_equal_products(one_method.theirs[METHOD], one_method.ours[METHOD])
    fits.open(one_method.ours[METHOD].science).verify("exception")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("write", "parameters"),
    [
        (write_two_chip_frames, {}),
        (write_two_chip_frames, {"final_units": "counts", "context": True}),
        (write_frames, {"final_wht_type": "ERR", "final_scale": 0.07, "final_pixfrac": 0.7}),
        (write_frames, {"final_kernel": "turbo", "final_fillval": -1.0}),
        (write_frames, {"final_kernel": "point", "final_rot": 31.0}),
        (write_frames, {"final_kernel": "gaussian"}),
        (write_frames, {"static": False}),
        (write_frames, {"final_wt_scl": "expsq", "resetbits": "4", "final_bits": None}),
    ],
)
def test_parameters_of_the_drizzle(
    tmp_path: Path, write: Write, parameters: dict[str, Any]
) -> None:
    sides = Sides(tmp_path, write, ["match"], **parameters)
    require_equal_mosaics(sides.theirs["match"], sides.ours["match"])
    require_equal_products(sides.theirs["match"], sides.ours["match"])
    if parameters.get("context"):
        theirs, ours = (
            fits.getdata(path / "out_match_drz_ctx.fits")
            for path in (sides.folders["match"], sides.work)
        )
        np.testing.assert_array_equal(ours, theirs)


HITS = 60  # of each exposure


def write_with_hits(folder: Path, frames: Sequence[Frame]) -> list[str]:
    """Write exposures of one field, each with cosmic rays of its own."""
    dithered = [
        Frame(5.3 * k, 3.7 * k, 4.0 * k, sky=frame.sky, exptime=frame.exptime)
        for k, frame in enumerate([*frames, frames[0]])
    ]
    names = write_frames(folder, dithered)
    for index, name in enumerate(names):
        random = np.random.default_rng([9, index])
        with fits.open(folder / name, mode="update") as hdus:
            y, x = random.integers(0, hdus["SCI"].data.shape[0], (2, HITS))
            hdus["SCI"].data[y, x] += 1000.0
    return names


COSMIC_RAYS = dict.fromkeys(("driz_separate", "median", "blot", "driz_cr"), True)


@pytest.mark.slow
def test_cosmic_rays_are_looked_for_once(tmp_path: Path) -> None:
    given = {**COSMIC_RAYS, "context": True}
    sides = Sides(tmp_path, write_with_hits, ["globalmin+match", "localmin"], **given)
    # The masks are those of AstroDrizzle's run of that method.
    require_equal_mosaics(sides.theirs["globalmin+match"], sides.ours["globalmin+match"])
    require_equal_products(sides.theirs["globalmin+match"], sides.ours["globalmin+match"])
    search = sides.ours["localmin"].cosmic_rays
    assert search is not None and search.method == "globalmin+match"
    assert [chip.rootname for chip in search.chips] == [e.rootname for e in sides.exposures]
    assert all(HITS / 2 < chip.hit < 0.1 * chip.pixels for chip in search.chips)
    weights = {name: fits.getdata(one.weight) for name, one in sides.ours.items()}
    np.testing.assert_array_equal(weights["localmin"], weights["globalmin+match"])
    plain = tmp_path / "plain"
    shutil.copytree(tmp_path / "data", plain)
    masks_off = drizzle_all(
        *(plain, plain / "log", sides.exposures, {"match": "out"}, {"match": SkyChoice("match")}),
        *(sides.grid, pars.resolve({"final_bits": 64})),
    )
    unmasked = fits.getdata(masks_off["match"].weight)
    # Each hit takes the weight of one exposure off about one pixel of the mosaic.
    missing = (unmasked - weights["localmin"]).sum() / 500.0
    assert missing > 0.7 * HITS * len(sides.exposures)
    # What but one or two exposures cover cannot be compared.
    covered = unmasked > 1400.0
    bright, clean = (
        (fits.getdata(one.science)[covered] > 100.0).sum()
        for one in (masks_off["match"], sides.ours["globalmin+match"])
    )
    assert bright > 2 * HITS and clean == 0
    # The exposures' own files do not carry the masks.
    assert not (fits.getdata(plain / sides.exposures[0].name, "DQ") & 4096).any()


@pytest.mark.slow
def test_all_methods(tmp_path: Path) -> None:
    sides = Sides(tmp_path, write_frames, METHODS)
    for method, theirs in sides.theirs.items():
        require_equal_mosaics(theirs, sides.ours[method])
        require_equal_products(theirs, sides.ours[method])


def drizzle_small(
    folder: Path, choices: dict[str, SkyChoice], **parameters: Any
) -> tuple[dict[str, Drizzled], list[Exposure], Grid]:
    names = write_frames(folder, FRAMES[:2])
    exposures = [read_exposure(folder / name) for name in names]
    resolved = pars.resolve(parameters)
    grid = plan(folder, names)
    mosaics = drizzle_all(
        *(folder, folder / "log", exposures, {name: f"out_{name}" for name in choices}),
        *(choices, grid, resolved),
    )
    return mosaics, exposures, grid


def test_variants_and_given_skies_cost_a_sum(tmp_path: Path) -> None:
    given = {"ibxl00aaq": 0.25, "ibxl01aaq": 0.5}
    mosaics, exposures, _ = drizzle_small(
        tmp_path,
        {
            "match": SkyChoice("match"),
            "mode": SkyChoice("match", {"skystat": "mode"}),
            "given": SkyChoice(values=given),
            "none": SkyChoice(values=dict.fromkeys(given, 0.0)),
        },
    )
    assert [value.mdrizsky for value in mosaics["given"].sky] == [0.25, 0.5]
    table = fits.getdata(mosaics["given"].science, "HDRTAB")
    assert table["MDRIZSKY"].tolist() == [0.25, 0.5]
    sky = {name: [value.mdrizsky for value in mosaics[name].sky] for name in ("match", "mode")}
    assert sky["match"] != sky["mode"]
    assert sky["match"] == pytest.approx(sky["mode"], abs=0.02)
    difference = fits.getdata(mosaics["none"].science) - fits.getdata(mosaics["given"].science)
    seen = fits.getdata(mosaics["none"].weight) > 0
    assert 0.24 < difference[seen].min() < difference[seen].max() < 0.51
    assert exposures[0].rootname == "ibxl00aaq"
    assert fits.getheader(mosaics["mode"].science)["ROOTNAME"] == "out_mode"


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"driz_cr": True}, "driz_cr without driz_separate"),
        ({"driz_separate": True, "median": True}, "median without blot"),
        ({"final_wht_type": "IVM"}, "IVM"),
        ({"final_kernel": "lanczos3"}, "lanczos3"),
        ({"coeffs": False}, "coeffs"),
    ],
)
def test_what_is_no_sum_is_refused(tmp_path: Path, parameters: dict[str, Any], named: str) -> None:
    with pytest.raises(DrizzleError, match=f"onepass does not do .*{named}"):
        drizzle_all(
            tmp_path, tmp_path / "log", [], {}, {}, Grid((0, 0), (1, 1), 0.1, 0.0, (9, 9)),
            pars.resolve(parameters),
        )  # fmt: skip


def test_the_witness_finds_an_altered_header(one_method: Sides) -> None:
    from skymosaic.drizzle.checks.witness import require_agreement
    from skymosaic.drizzle.onepass.run import drizzle_chips

    sides = one_method
    cut_outs, load = drizzle_chips(
        sides.work, sides.work / "log", sides.exposures, sides.grid, sides.parameters
    )
    product = sides.theirs[METHOD]
    agreement = require_agreement(product.science, product.weight, sides.exposures, cut_outs, load)
    assert agreement.largest < 1e-4
    altered = sides.work / "altered_sci.fits"
    shutil.copy(product.science, altered)
    with fits.open(altered, mode="update") as hdus:
        hdus["HDRTAB"].data["MDRIZSKY"][1] += 1e-4
    with pytest.raises(SkyError, match=r"altered_sci\.fits: its pixels do not agree"):
        require_agreement(altered, product.weight, sides.exposures, cut_outs, load)
    with pytest.raises(SkyError, match="its weights are not"):
        require_agreement(product.science, product.weight, sides.exposures, cut_outs[:2], load)
