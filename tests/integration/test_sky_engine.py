"""The sky engine against AstroDrizzle's own sky step, on the same files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from skymosaic.drizzle.onepass.sky import SkySettings, measure_skies, write_skyfile
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.reading import read_exposure
from skymosaic.methods import METHODS
from skymosaic.sky.matching import Skies
from tests.frames import Frame, astrodrizzle, subtracted, write_frames, write_two_chip_frames

TOLERANCE = 1e-6  # e-/s
LAYOUT = [
    Frame(0, 0, 0, 1.0),
    Frame(30, 10, 5, 1.3),
    Frame(85, 80, 40, 0.8, exptime=300.0),  # a corner
    Frame(0, 0, 0, 1.1),  # the first pointing again
    Frame(-60, -60, 80, 0.9),
    Frame(300, 300, 0, 2.0),  # meets no other
]
GROUPS = [
    Frame(0, 0, 0, 1.0),
    Frame(30, 0, 0, 1.3),  # shares two edges
    Frame(-30, 0, 90, 0.7),
    Frame(300, 300, 3, 0.8),
    Frame(310, 330, 30, 1.1),
]
Writer = Callable[[Path, Sequence[Frame]], list[str]]


class FellBackError(Exception):
    """AstroDrizzle ran another method: it cannot clip some footprints against each other."""


def engine(folder: Path, names: Sequence[str], **parameters: Any) -> tuple[list[Exposure], Skies]:
    exposures = [read_exposure(folder / name) for name in names]
    way = SkySettings.from_parameters({"resetbits": "0", **parameters})
    return exposures, measure_skies(folder, exposures, {"one": way})["one"]


def require_equal(
    folder: Path, names: Sequence[str], methods: Sequence[str] = METHODS, **parameters: Any
) -> Skies:
    """Compare what AstroDrizzle subtracts with what the engine says, chip by chip."""
    exposures, skies = engine(folder, names, **parameters)
    factors = [
        e.brightness_factor(chip.extver) * (chip.idcscale or 0) ** 2
        for e in exposures
        for chip in e.chips
    ]
    for method in methods:
        forget(folder, names)
        log = astrodrizzle(folder, names, skymethod=method, **parameters)
        if "Reverting sky computation" in log:
            raise FellBackError(method)
        found = subtracted(folder, names)
        for theirs, ours, factor in zip(
            found, skies.methods[method].subtracted, factors, strict=True
        ):
            assert ((theirs or 0.0) - ours) * factor == pytest.approx(0.0, abs=TOLERANCE), method
    return skies


def forget(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        with fits.open(folder / name, mode="update") as hdus:
            for hdu in hdus:
                hdu.header.remove("MDRIZSKY", ignore_missing=True)


@pytest.mark.parametrize(
    "methods",
    [("localmin", "globalmin+match"), pytest.param(METHODS, marks=pytest.mark.slow)],
    ids=["two", "all"],
)
def test_the_skies_are_those_of_astrodrizzle(tmp_path: Path, methods: Sequence[str]) -> None:
    names = write_frames(tmp_path, LAYOUT)
    skies = require_equal(tmp_path, names, methods)
    assert skies.methods["match"].values[5] is None
    assert skies.solution.groups[0] == (0, 1, 2, 3, 4)


@pytest.mark.slow
def test_groups_that_do_not_meet(tmp_path: Path) -> None:
    names = write_frames(tmp_path, GROUPS)
    skies = require_equal(tmp_path, names)
    assert skies.solution.groups == ((0, 1, 2), (3, 4))


@pytest.mark.slow
def test_exposures_of_two_chips_in_counts(tmp_path: Path) -> None:
    names = write_two_chip_frames(tmp_path, LAYOUT)
    skies = require_equal(tmp_path, names)
    values = skies.methods["localmin"].values
    assert values[0::2] == values[1::2]  # the smaller of the chips' skies


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameters",
    [
        {"skystat": "mode"},
        {"skystat": "mean", "skyclip": 2, "skyusigma": 2.5},
        {"skylower": 0.5, "skyupper": 2.6, "skylsigma": 3.0, "skyclip": 0},
        {"sky_bits": "64,512", "use_static": False},
        {"sky_bits": None, "static_sig": 3.0},
        {"static": False, "skywidth": 0.3, "skystat": "mode"},
    ],
)
def test_every_statistic_limit_and_mask(tmp_path: Path, parameters: dict[str, Any]) -> None:
    names = write_frames(tmp_path, LAYOUT)
    require_equal(tmp_path, names, ["globalmin+match", "localmin"], **parameters)


@pytest.mark.slow
def test_random_layouts(tmp_path_factory: pytest.TempPathFactory) -> None:
    hypothesis = pytest.importorskip("hypothesis")
    from hypothesis import strategies as st

    place = st.floats(-70, 70, allow_subnormal=False)
    frame = st.builds(
        Frame,
        dx=place,
        dy=place,
        roll=st.one_of(st.sampled_from([0.0, 90.0, 180.0]), st.floats(0, 360)),
        sky=st.floats(0.2, 3.0),
        pixels=st.sampled_from([48, 64]),
        exptime=st.sampled_from([100.0, 500.0]),
    )

    @hypothesis.settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    @hypothesis.given(
        st.lists(frame, min_size=2, max_size=7),
        st.sampled_from(["match", "globalmin+match"]),
        st.booleans(),
    )
    def holds(frames: list[Frame], method: str, two_chips: bool) -> None:
        folder = tmp_path_factory.mktemp("layout")
        write: Writer = write_two_chip_frames if two_chips else write_frames
        try:
            require_equal(folder, write(folder, frames), [method])
        except FellBackError:
            hypothesis.reject()
        compared.append(method)

    compared: list[str] = []
    holds()
    assert len(compared) >= 20


def test_astrodrizzle_takes_the_skyfile(tmp_path: Path) -> None:
    names = write_two_chip_frames(tmp_path, LAYOUT[:2])
    exposures, skies = engine(tmp_path, names)
    write_skyfile(tmp_path / "sky.txt", exposures, skies.methods["localmin"].subtracted)
    forget(tmp_path, names)
    astrodrizzle(tmp_path, names, skyfile="sky.txt")
    assert subtracted(tmp_path, names) == list(skies.methods["localmin"].subtracted)
