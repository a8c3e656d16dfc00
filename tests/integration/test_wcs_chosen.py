"""The tasks that choose a WCS, on files whose headerlets and alternates stwcs made."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic.align.plane import to_plane
from skymosaic.align.proof import grid, read_wcs
from skymosaic.archive.directory import Directory
from skymosaic.archive.simulated.ccd.exposures import simulate_exposure
from skymosaic.archive.simulated.simulation import Simulation
from skymosaic.config import Campaign, load_campaign_text
from skymosaic.errors import AlignmentError
from skymosaic.pipeline.inspect import inspect
from skymosaic.pipeline.results import InspectionResult
from skymosaic.pipeline.retrieve import retrieve
from skymosaic.pipeline.rules import Rules
from skymosaic.pipeline.wcs import with_chosen_wcs
from skymosaic.results.placed import read_placed
from skymosaic.steps.execution import Here
from skymosaic.steps.finished import Finished
from skymosaic.steps.place import Place
from skymosaic.store.local import LocalStore
from tests.frames import Frame, write_frames
from tests.held_solutions import Held, add_alternate, add_headerlet, shift

RELATIVE = Held("", 0.3, -0.2, (4.5, 5.5), 33, "GAIAeDR3")
GUIDE = Held("", -0.1, 0.4, catalogue="GSC240")


DISTORTION = re.compile(r"[AB]_\w+|IDCSCALE|OC[XY]1|D2IM|CPDIS|DP\d|CPERR")


def model_of(path: Path) -> str:
    with fits.open(path) as hdus:
        return str(hdus["SCI", 1].header["WCSNAME"])


def hold(path: Path, *, fitted: bool = True) -> str:
    """Let a file hold a fit as a headerlet, and a priori guide stars as an alternate."""
    model = model_of(path)
    if fitted:
        add_headerlet(path, replace(RELATIVE, name=f"{model}-FIT_REL_GAIAeDR3"))
    add_alternate(path, replace(GUIDE, name=f"{model}-GSC240"), "B")
    return model


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two exposures of WFC3/IR and one of ACS/WFC with all its tables; each holds four."""
    folder = tmp_path_factory.mktemp("held")
    for kind in ("ir", "acs"):
        (folder / kind).mkdir()
    write_frames(folder / "ir", [Frame(0, 0), Frame(5, 7)])
    simulate_exposure(
        Simulation(instrument="acs-wfc", size="small", seed=7), "jskm02", 0, folder / "acs"
    )
    for path in sorted(folder.glob("*/*_fl?.fits")):
        hold(path)
    return folder


class Chosen:
    """What the tasks make of a folder."""

    def __init__(self, folder: Path, root: Path, wcs: str, align: str = "none") -> None:
        text = (
            "campaign: {name: field}\n"
            f"source: {{kind: directory, path: {folder}}}\n"
            f"align: {{method: {align}, wcs: '{wcs}'}}\n"
        )
        self.campaign: Campaign = load_campaign_text(text, "field.yaml", {})
        self.place = Place(LocalStore(root / "store"), "field", root / "scratch")
        source = Directory(folder)
        self.retrieved = [
            retrieve(self.place, source, Rules(), parcel) for parcel in source.parcels()
        ]
        self.inspected = inspect(self.place, self.retrieved, Rules())
        placed, done = with_chosen_wcs(
            Here(), self.campaign, self.place, self.retrieved, self.inspected
        )
        self.placed: Any = placed
        self.done: Finished[InspectionResult] = done

    def path(self, name: str) -> Path:
        """Return the file that is used."""
        store = self.place.store
        assert isinstance(store, LocalStore)
        return store.root / self.done.products[name].key


def moved(before: dict[int, WCS], after: dict[int, WCS]) -> np.ndarray:
    """Return by how much each point of a grid moved, arcsec east and north, shape (n, 2)."""
    found = []
    for number, wcs in before.items():
        pixels = np.stack(grid(wcs), axis=1)
        start = wcs.all_pix2world(pixels, 0)
        end = after[number].all_pix2world(pixels, 0)
        found += [to_plane(b[None], a)[0] for a, b in zip(start, end, strict=True)]
    return np.array(found)


@pytest.mark.parametrize(
    ("wcs", "held", "told"),
    [
        ("best", RELATIVE, {"RMS_RA": 4.5, "RMS_DEC": 5.5, "NMATCHES": 33, "CATALOG": "GAIAeDR3"}),
        ("*-gsc240", GUIDE, {"CATALOG": "GSC240"}),
    ],
)
@pytest.mark.parametrize("kind", ["ir", "acs"])
def test_the_chosen_wcs_is_the_primary_one(
    made: Path, tmp_path: Path, kind: str, wcs: str, held: Held, told: dict[str, Any]
) -> None:
    chosen = Chosen(made / kind, tmp_path, wcs)
    for exposure in chosen.done.result.exposures:
        original, path = made / kind / exposure.name, chosen.path(exposure.name)
        assert path.parent.name == "wcs"
        away = moved(read_wcs(original), read_wcs(path))
        assert np.abs(away - [held.east, held.north]).max() < 1e-5  # 0.01 mas
        with fits.open(original) as was, fits.open(path) as is_:
            for hdu in was:
                if hdu.name in ("SCI", "ERR", "DQ", "D2IMARR", "WCSDVARR"):
                    assert np.array_equal(hdu.data, is_[hdu.name, hdu.ver].data)
                if hdu.name != "SCI":
                    continue
                new = is_["SCI", hdu.ver].header
                assert new["WCSAXES"] == 2
                assert new["WCSNAME"].startswith(hdu.header["WCSNAME"] + "-")
                assert {key: new[key] for key in told} == told
                for card in hdu.header.cards:
                    if DISTORTION.match(card.keyword):
                        same = str(new[card.keyword]).lower() == str(card.value).lower()
                        assert same or new[card.keyword] == pytest.approx(card.value, rel=1e-9)
                assert "IDCTAB" not in new
        # The record says what the file says.
        assert exposure.chips[0].wcsname == new["WCSNAME"]
        assert exposure.health
        assert exposure.extent is not None
    # A second run makes nothing again, and what was retrieved stays as it was.
    assert all(step.reused for step in Chosen(made / kind, tmp_path, wcs).placed)
    for name, product in (
        (e.name, chosen.inspected.products[e.name]) for e in chosen.inspected.result.exposures
    ):
        assert product.key.split("/")[1] == "pristine"
        assert (chosen.place.store.root / product.key).read_bytes() == (
            made / kind / name
        ).read_bytes()


@pytest.mark.parametrize("align", ["none", "tweakreg"])
def test_the_store_tells_the_same(with_tiles: Path, tmp_path: Path, align: str) -> None:
    chosen = Chosen(with_tiles, tmp_path, "best", align)
    arguments = (chosen.place, chosen.campaign.align, chosen.inspected, chosen.retrieved)
    read = read_placed(*arguments)
    assert read is not None
    assert (read.key, read.products, read.result) == (
        *(chosen.done.key, chosen.done.products),
        chosen.done.result,
    )
    other = chosen.campaign.align.model_copy(update={"wcs": "*-GSC240"})
    assert read_placed(chosen.place, other, *arguments[2:]) is None
    # What is left of an earlier choice is not taken for the one of now.
    plain = Chosen(with_tiles, tmp_path, "IDC_w3m18525i", align)
    read = read_placed(plain.place, plain.campaign.align, plain.inspected, plain.retrieved)
    assert read is not None
    assert read.products == plain.inspected.products


def test_what_has_the_solution_is_used_as_it_is(made: Path, tmp_path: Path) -> None:
    chosen = Chosen(made / "ir", tmp_path, model_of(made / "ir" / "ibxl00aaq_flt.fits"))
    assert chosen.done.products == chosen.inspected.products
    assert chosen.done.result == chosen.inspected.result
    assert not (tmp_path / "store" / "field" / "wcs").exists()


def test_who_lacks_a_solution_is_named(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    shutil.copytree(made / "ir", folder)
    write_frames(folder, [Frame(0, 0)])  # the first one anew, without
    with pytest.raises(AlignmentError) as error:
        Chosen(folder, tmp_path, "*GAIAeDR3")
    assert "1 exposure of 2 hold no WCS solution *GAIAeDR3: ibxl00aaq has IDC_w3m18525i" in str(
        error.value
    )
    chosen = Chosen(folder, tmp_path, "best")
    assert {one.chips[0].wcsname for one in chosen.done.result.exposures} == {"IDC_w3m18525i"}
    [warning] = chosen.done.result.warnings
    assert "WCS solution IDC, which all hold" in warning
    assert "which ibxl00aaq lacks" in warning


def test_of_another_user_one_can_read_alone(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    shutil.copytree(made / "ir", folder)
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    try:
        chosen = Chosen(folder, tmp_path, "best")
    finally:
        folder.chmod(0o755)
    assert all(chosen.path(e.name).parent.name == "wcs" for e in chosen.done.result.exposures)


@pytest.fixture(scope="module")
def with_tiles(simulated_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Exposures and drizzled images; of tile 54 those hold a fit, of tile 51 guide stars alone."""
    folder = tmp_path_factory.mktemp("tiles") / "files"
    shutil.copytree(simulated_files, folder)
    for path in sorted(folder.glob("*_flt.fits")):
        hold(path, fitted="ibxl54" in path.name)
    yield folder
    shutil.rmtree(folder)


def test_a_drizzled_image_moves_with_its_exposures(with_tiles: Path, tmp_path: Path) -> None:
    chosen = Chosen(with_tiles, tmp_path, "best", "tweakreg")
    assert len(chosen.done.result.drizzled) == 2
    for tile in chosen.done.result.drizzled:
        path = chosen.path(tile.name)
        assert path.parent.name == "wcs_tiles"
        away = moved(read_wcs(with_tiles / tile.name), read_wcs(path))
        assert np.abs(away - [GUIDE.east, GUIDE.north]).max() < 2e-5
        assert tile.chips[0].wcsname == "IDC_w3m18525i-GSC240"
        with fits.open(with_tiles / tile.name) as was, fits.open(path) as is_:
            assert np.array_equal(was["SCI"].data, is_["SCI"].data, equal_nan=True)


def test_an_image_that_was_drizzled_with_another_solution_moves_from_there(
    with_tiles: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    shutil.copytree(with_tiles, folder)
    [tile] = folder.glob("ibxl54*_drz.fits")
    # It was made with the fit; now the guide stars are wanted, and the primary one is neither.
    with fits.open(tile, mode="update") as hdus:
        shift(hdus["SCI"].header, RELATIVE.east, RELATIVE.north)
        hdus["SCI"].header["WCSNAME"] = "IDC_w3m18525i-FIT_REL_GAIAeDR3"
    chosen = Chosen(folder, tmp_path, "*GSC240", "tweakreg")
    away = moved(read_wcs(tile), read_wcs(chosen.path(tile.name)))
    expected = [GUIDE.east - RELATIVE.east, GUIDE.north - RELATIVE.north]
    assert np.abs(away - expected).max() < 2e-5
    assert chosen.done.result.warnings == []
