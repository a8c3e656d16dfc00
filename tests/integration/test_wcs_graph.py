"""The graph of a campaign that chooses a WCS and compares exposures, without workers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.align.motion import motion_between
from skymosaic.align.proof import read_wcs
from skymosaic.archive.directory import Directory
from skymosaic.config import load_campaign_text
from skymosaic.errors import AlignmentError
from skymosaic.pipeline import graph
from skymosaic.pipeline.finished import FinishedSteps
from skymosaic.pipeline.sentences.astrometry import used_sheet
from skymosaic.results.reading import read_finished_steps
from skymosaic.steps.execution import Here
from skymosaic.steps.foresight import Foreseeing
from skymosaic.steps.place import Place
from skymosaic.store.local import LocalStore
from tests.held_solutions import Held, add_headerlet, shift

FIT = Held("IDC_w3m18525i-FIT_REL_GAIAeDR3", 0.3, -0.2, (4.5, 5.5), 33, "GAIAeDR3")
OFF = (0.08, 0.05)  # arcsec


@pytest.fixture(scope="module")
def folder(simulated_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two tiles whose exposures hold a fit; one exposure of tile 54 is off."""
    files = tmp_path_factory.mktemp("graph") / "files"
    shutil.copytree(simulated_files, files)
    for path in sorted(files.glob("*_flt.fits")):
        add_headerlet(path, replace(FIT))
    yield files
    shutil.rmtree(files)


class Begun:
    """What the first half of a graph made."""

    def __init__(self, folder: Path, root: Path, align: str) -> None:
        text = f"campaign: {{name: f}}\nsource: {{kind: directory, path: {folder}}}\n{align}\n"
        self.campaign = load_campaign_text(text, "f.yaml", {})
        self.place = Place(LocalStore(root / "store"), "f", root / "scratch")
        self.place.store.write_text(self.place.key("campaign.yaml"), text)
        self.source = Directory(folder)
        self.parcels = self.source.parcels()
        self.first = self.begin(Here(), self.place)
        self.prepared = graph.prepare(Here(), self.campaign, self.place, self.first)

    def begin(self, calls: Any, place: Place) -> graph.FirstTasks:
        return graph.begin(calls, self.campaign, place, self.source, self.parcels)

    def require_read_back(self) -> None:
        """Fail unless the store tells the same as the graph."""
        found, prepared = read_finished_steps(self.place), self.prepared
        lost = [one for one in found.missing if one.part in {"align", "plan", "compare positions"}]
        assert lost == []
        assert found.inspected is not None
        assert found.inspected.key == prepared.inspected.key
        assert found.inspected.result.within == prepared.inspected.result.within
        assert found.aligned is not None
        assert found.aligned.key == prepared.aligned.key
        assert found.aligned.products == prepared.aligned.products

    def path(self, name: str) -> Path:
        store = self.place.store
        assert isinstance(store, LocalStore)
        return store.root / self.prepared.aligned.products[name].key


def test_without_an_alignment_the_chosen_wcs_is_used(folder: Path, tmp_path: Path) -> None:
    begun = Begun(folder, tmp_path, "align: {method: none, wcs: best, exposures: {}}")
    exposures = begun.prepared.aligned.result.exposures
    assert {one.chips[0].wcsname for one in exposures} == {FIT.name}
    for one in exposures:
        moved = motion_between(read_wcs(folder / one.name), read_wcs(begun.path(one.name)))
        assert (moved.east, moved.north) == (
            pytest.approx(FIT.east, abs=1e-4),
            pytest.approx(FIT.north, abs=1e-4),
        )
    begun.require_read_back()
    # Stars are compared where the chosen WCS has them, and all lie where they should.
    assert begun.prepared.positions.result.pairs
    within = begun.first.inspected.result.within
    assert {one.state for one in within.members} <= {"agrees", "no majority"}
    used = used_sheet(
        FinishedSteps(
            begun.place,
            begun.campaign,
            begun.first.retrieved,
            begun.first.inspected,
            begun.prepared.aligned,
        )
    )
    assert set(used["wcsname"]) == {FIT.name}
    # A run that comes after has nothing to do, and says so.
    foreseeing = Foreseeing()
    begun.begin(foreseeing, begun.place.only_finished())
    assert foreseeing.foreseen.to_make == {}
    assert foreseeing.foreseen.refused == ""


@pytest.mark.slow
def test_tweakreg_aligns_what_was_chosen(folder: Path, tmp_path: Path) -> None:
    files = tmp_path / "files"
    shutil.copytree(folder, files)
    plain = Begun(files, tmp_path / "plain", "align: {}")
    best = Begun(files, tmp_path / "best", "align: {wcs: best}")
    best.require_read_back()
    # The reference stays where it came, by the WCS that is used; the others follow it.
    reference = best.prepared.aligned.result.alignment.order[0][:6]
    for one in best.prepared.aligned.result.exposures:
        moved = motion_between(read_wcs(plain.path(one.name)), read_wcs(best.path(one.name)))
        limit = 1e-3 if one.rootname.startswith(reference) else 5e-3
        assert moved.east == pytest.approx(FIT.east, abs=limit)
        assert moved.north == pytest.approx(FIT.north, abs=limit)
    fits_of = {fit.tile: fit for fit in best.prepared.aligned.result.alignment.fits}
    others = [fit for fit in fits_of.values() if not fit.reference]
    assert others
    assert all(fit.matches >= 10 for fit in others)
    with fits.open(best.path(best.prepared.aligned.result.exposures[-1].name)) as hdus:
        assert np.isfinite(hdus["SCI"].header["CRVAL1"])


@pytest.mark.slow
def test_an_exposure_is_moved_before_tweakreg(folder: Path, tmp_path: Path) -> None:
    files = tmp_path / "files"
    shutil.copytree(folder, files)
    plain = Begun(files, tmp_path / "plain", "align: {}")
    # Three of one association are needed for a majority: a copy takes the part of a third.
    name = "ibxl54bgq_flt.fits"
    third = files / "ibxl54zzq_flt.fits"
    shutil.copyfile(files / "ibxl54blq_flt.fits", third)
    with fits.open(third, mode="update") as hdus:
        hdus[0].header["ROOTNAME"] = "ibxl54zzq"
        random = np.random.default_rng(1)
        hdus["SCI"].data += random.normal(0, 0.01, hdus["SCI"].data.shape).astype(np.float32)
    with fits.open(next(files.glob("ibxl54*_drz.fits")), mode="update") as hdus:
        hdus[0].header["D003DATA"] = "ibxl54zzq_flt.fits[sci,1]"
    with fits.open(files / name, mode="update") as hdus:
        shift(hdus["SCI"].header, *OFF)
    begun = Begun(files, tmp_path / "off", "align: {exposures: {correct: true}}")
    within = begun.first.inspected.result.within
    assert within.corrected == ["ibxl54bgq"]
    begun.require_read_back()
    left = motion_between(read_wcs(plain.path(name)), read_wcs(begun.path(name)))
    assert left.length < 10  # mas, of 94 that were planted


@pytest.mark.parametrize("align", ["none", "tweakreg"])
def test_a_choice_that_cannot_be_is_told_by_the_store(
    folder: Path, tmp_path: Path, align: str
) -> None:
    text = (
        f"campaign: {{name: f}}\nsource: {{kind: directory, path: {folder}}}\n"
        f"align: {{method: {align}, wcs: '*HSC30'}}\n"
    )
    place = Place(LocalStore(tmp_path / "store"), "f", tmp_path / "scratch")
    place.store.write_text(place.key("campaign.yaml"), text)
    campaign, source = load_campaign_text(text, "f.yaml", {}), Directory(folder)
    with pytest.raises(AlignmentError, match=r"hold no WCS solution \*HSC30"):
        graph.begin(Here(), campaign, place, source, source.parcels())
    found = read_finished_steps(place)
    [align_task] = [one for one in found.missing if one.part == "align"]
    assert align_task.state == "failed"
    assert "hold no WCS solution *HSC30" in align_task.why
    assert found.inspected is not None
    assert found.aligned is None
