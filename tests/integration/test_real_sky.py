"""The sky engine on two real exposures, whose values AstroDrizzle has published."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from skymosaic.drizzle.onepass.sky import SkySettings, measure_skies
from skymosaic.hst.reading import read_exposure
from tests.conftest import REPOSITORY
from tests.integration.test_real_data import EXPECTED


@pytest.mark.network
def test_sky_values_of_the_real_pair(tmp_path: Path) -> None:
    subprocess.run([REPOSITORY / "scripts" / "fetch-real-pair", tmp_path / "pair"], check=True)
    for path in (tmp_path / "pair").glob("*_flt.fits"):
        shutil.copy(path, tmp_path / read_exposure(path).name)
    paths = sorted(tmp_path.glob("*_flt.fits"))
    exposures = [read_exposure(path) for path in paths]
    way = SkySettings.from_parameters({"resetbits": "0"})
    skies = measure_skies(tmp_path, exposures, {"one": way})["one"]
    for method, sky in skies.methods.items():
        assert sky.values == pytest.approx(EXPECTED[method.replace("+", "_")], abs=1e-6)
