"""Whole campaigns whose tiles are aligned to what Gaia would have of moving stars."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from skymosaic.archive.simulated.gaia import gaia_catalogue
from skymosaic.archive.simulated.residuals import alignment_residuals
from skymosaic.archive.simulated.simulation import Simulation
from tests.conftest import skymosaic
from tests.gaia_standin import Server, serving

pytestmark = pytest.mark.campaign

EPOCHS = {"51": 2022.8}  # the other tile is of 2012
OPTIONS = (
    "--size",
    "small",
    "--tile",
    "54",
    "--tile",
    "51",
    "--motion",
    "5",
    "--epoch",
    "51=2022.8",
)


@pytest.fixture(scope="module")
def field(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("gaia")
    done = skymosaic(
        "simulate", str(folder / "data"), *OPTIONS, "--gaia", str(folder / "gaia.ecsv")
    )
    assert done.code == 0, done.err
    return folder


def written(field: Path, reference: str, name: str, more: str = "") -> Path:
    file = field / f"{name}.yaml"
    file.write_text(
        f"campaign: {{name: {name}}}\nsource: {{kind: directory, path: data}}\n"
        f"store: {{uri: store}}\nsky: {{methods: [localmin]}}\n"
        f"align: {{reference: {reference}{more}}}\n"
    )
    return file


def offsets(field: Path, name: str) -> dict[str, np.ndarray]:
    """Return how far each aligned exposure is off, shape (49, 2), mas."""
    found = {}
    for path in sorted((field / "store" / name / "aligned").glob("*_flt.fits")):
        rootname = path.name.removesuffix("_flt.fits")
        [found[rootname]] = alignment_residuals(
            path, field / "data" / f"{rootname}_truth.json"
        ).values()
    return found


def run(file: Path) -> str:
    done = skymosaic("run", str(file))
    assert done.code == 0, done.err
    return done.out


def test_tiles_of_two_epochs_lie_where_gaia_has_them(field: Path) -> None:
    said = run(written(field, "{kind: catalog, path: gaia.ecsv, name: GAIA DR3}", "whole"))
    stars = Table.read(field / "store/whole/reference/reference.ecsv", format="ascii.ecsv")
    assert stars.meta["name"] == "GAIA DR3"
    assert f"2 of 2 drizzled images aligned to {len(stars)} stars of GAIA DR3" in said
    found = offsets(field, "whole")
    assert len(found) == 4
    for one in found.values():
        assert np.hypot(*one.mean(axis=0)) < 5.0  # mas; pointing errors are hundreds
        assert np.hypot(*one.T).max() < 10.0
    with fits.open(next((field / "store/whole/aligned").glob("*_flt.fits"))) as hdus:
        assert hdus["SCI", 1].header["CATALOG"] == "GAIA DR3"
    assert "GAIA DR3" in (field / "store/whole/comparison/report.html").read_text()


@pytest.fixture
def server() -> Iterator[Server]:
    simulation = Simulation(
        size="small", tiles=("54", "51"), motion=5.0, epochs=EPOCHS, filter="F110W"
    )
    with serving(Server(gaia_catalogue([simulation]))) as held:
        yield held


@pytest.mark.slow
def test_gaia_is_asked_once_and_all_is_as_with_the_file(field: Path, server: Server) -> None:
    url = f"{{kind: gaia, url: '{server.url}', max_ruwe: 1.4}}"
    file = written(field, url, "asked", ", solve: together")
    run(file)
    assert len(server.queries) == 1
    for one in offsets(field, "asked").values():
        assert np.hypot(*one.mean(axis=0)) < 5.0
    run(file)
    assert len(server.queries) == 1
    record = json.loads((field / "store/asked/manifests/reference.json").read_text())
    assert record["result"]["name"] == "GAIA DR3"


@pytest.mark.slow
def test_another_campaign_follows_the_first(field: Path) -> None:
    run(written(field, "{kind: catalog, path: gaia.ecsv, name: GAIA DR3}", "whole"))
    run(written(field, "{kind: campaign, campaign: store/whole}", "follows"))
    for one in offsets(field, "follows").values():
        # Stars without motions, of 2012 and 2022, in one list: it holds the frame, not more.
        assert np.hypot(*one.mean(axis=0)) < 30.0
