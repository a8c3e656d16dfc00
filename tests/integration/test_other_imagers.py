"""Whole campaigns on exposures of other imagers, beside AstroDrizzle called by itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from astropy.io import fits
from astropy.table import Table

from skymosaic.drizzle import astrodrizzle
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.run import drizzle_all
from skymosaic.drizzlepac_calls import process
from skymosaic.hst.reading import read_exposure
from skymosaic.hst.usable import warnings_of
from tests.conftest import Ended, skymosaic
from tests.frames import plan
from tests.imager_files import write_hrc, write_stis, write_wfpc2

PARAMETERS: dict[str, Any] = {
    **{"final_scale": 0.2, "final_bits": 64, "final_rot": 0.0},
    **dict.fromkeys(pars.CR_STEPS, False),  # what is usual for CCDs is tried elsewhere
}

SKY = {"sky_bits": 0}


def hrc(folder: Path) -> None:
    write_hrc(folder, "j8aaaaaaq", 0.0, 10.0)
    write_hrc(folder, "j8aaaabbq", 1.0, 12.0)


def stis(folder: Path) -> None:
    write_stis(folder, "o4aaaa010", {"o4aaaa01q": (0.0, 10.0), "o4aaaa02q": (2.0, 13.0)})


def wfpc2(folder: Path) -> None:
    write_wfpc2(folder, "u4aaaaaam", 0.0, 1.0)
    write_wfpc2(folder, "u4aaaabbm", 5.0, 1.5)


@dataclass(frozen=True)
class Sides:
    """What a campaign made, and what AstroDrizzle makes of the same files on the same grid."""

    ended: Ended
    folder: Path
    science: Path
    mosaic: np.ndarray
    skies: list[float]
    """MDRIZSKY of HDRTAB, row by row."""


def campaign(folder: Path, data: Path, engine: str) -> Path:
    content = {
        "campaign": {"name": "field"},
        "source": {"kind": "directory", "path": str(data)},
        "align": "none",
        "sky": {"methods": ["match"], "parameters": SKY},
        "drizzle": {"engine": engine, "parameters": PARAMETERS},
        "store": {"uri": str(folder / "store")},
    }
    path = folder / "field.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def both(folder: Path, write: Callable[[Path], None]) -> Sides:
    data = folder / "data"
    data.mkdir()
    write(data)
    plain = Path(shutil.copytree(data, folder / "plain"))
    ended = skymosaic("run", campaign(folder, data, "astrodrizzle"))
    assert ended.code == 0, ended.err
    results = folder / "store" / "field"
    grid = Grid.from_call(json.loads((results / "plan" / "grid.json").read_text()))
    arguments = pars.for_method(
        pars.resolve({**PARAMETERS, **SKY}), grid.final_parameters(), "match"
    )
    names = sorted(path.name for path in plain.iterdir())
    call: dict[str, Any] = {"files": names, "output": "plain", "parameters": arguments}
    process.call("astrodrizzle", plain, call, folder / "plain.log")
    [science] = plain.glob("plain_dr?_sci.fits")
    with fits.open(science) as hdus:
        mosaic = np.array(hdus[0].data)
        skies = [float(value) for value in hdus["HDRTAB"].data["MDRIZSKY"]]
    return Sides(ended, results, science, mosaic, skies)


def ours(sides: Sides) -> np.ndarray:
    """Return the campaign's mosaic, whose name must end as AstroDrizzle's."""
    suffix = sides.science.name.removeprefix("plain")
    [science] = sides.folder.glob(f"runs/*/field_match{suffix}")
    return np.array(fits.getdata(science))


def match(sides: Sides) -> Table:
    return Table.read(sides.folder / "comparison" / "mdrizsky.ecsv")


@pytest.mark.slow
def test_wfpc2(tmp_path) -> None:
    sides = both(tmp_path, wfpc2)
    assert sides.science.name == "plain_drw_sci.fits"
    np.testing.assert_array_equal(ours(sides), sides.mosaic)
    table = match(sides)
    assert list(table["match_mdrizsky"]) == pytest.approx(sides.skies, rel=1e-7)
    assert str(table["match_mdrizsky"].unit) == "ct"
    assert sides.skies[4:] == pytest.approx([0.5] + [0.5 * (0.0996 / 0.0455) ** 2] * 3, rel=0.01)
    assert "in counts (DN)" in sides.ended.err + sides.ended.out


@pytest.mark.campaign
def test_the_exposures_in_a_file_of_stis(tmp_path) -> None:
    sides = both(tmp_path, stis)
    np.testing.assert_array_equal(ours(sides), sides.mosaic)
    table = match(sides)
    assert list(table["rootname"]) == ["o4aaaa01q", "o4aaaa02q"]
    assert list(table["match_mdrizsky"]) == pytest.approx(sides.skies, rel=1e-7)
    assert sides.skies == pytest.approx([0.0, 3.0], abs=0.02)
    # The exposures were inspected for this engine; the other is refused before it plans.
    ended = skymosaic("inspect", campaign(tmp_path, tmp_path / "data", "onepass"))
    assert ended.code == 4
    assert "o4aaaa01q_flt.fits is of STIS/CCD: drizzle.engine: onepass" in ended.err


def test_hrc_without_a_distortion_model_in_both_engines(tmp_path) -> None:
    hrc(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    exposures = [read_exposure(tmp_path / name) for name in names]
    [line] = warnings_of(exposures)
    assert "no IDCSCALE" in line
    parameters = pars.resolve({**PARAMETERS, **SKY})
    grid = plan(tmp_path, names, **pars.grid_choice(parameters))
    mosaic = drizzle_all(
        *(tmp_path, tmp_path / "log", exposures, {"match": "ours"}, {"match": SkyChoice("match")}),
        *(grid, parameters),
    )["match"]
    reference = astrodrizzle.drizzle(
        *(tmp_path, tmp_path / "reference.log", exposures, "theirs", "match", grid, parameters)
    )
    assert reference.science.name == "theirs_drz_sci.fits"
    np.testing.assert_allclose(
        fits.getdata(mosaic.science), fits.getdata(reference.science), rtol=2e-6, atol=2e-6
    )
    skies = [value.mdrizsky for value in reference.sky]
    assert [value.mdrizsky for value in mosaic.sky] == pytest.approx(skies, abs=1e-6)
    assert skies == pytest.approx([0.0, 2.0], abs=0.02)
