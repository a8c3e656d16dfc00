"""The sources of an earlier campaign as what images are aligned to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.align.alignment import Alignment
from skymosaic.align.gates import TileFit
from skymosaic.align.image_files import sources_name, write_sources
from skymosaic.align.reference_files import FILE, read_reference
from skymosaic.archive.directory import Directory
from skymosaic.config import Align, load_campaign_text
from skymosaic.errors import CampaignError
from skymosaic.hst.epochs import epoch_of
from skymosaic.hst.exposure import Chip
from skymosaic.pipeline.align_results import TILE_SOURCES, TileSourcesResult
from skymosaic.pipeline.inspect import inspect
from skymosaic.pipeline.reference import list_reference
from skymosaic.pipeline.results import (
    ALIGN,
    INSPECT,
    RETRIEVE,
    AlignResult,
    InspectionResult,
    RetrieveResult,
)
from skymosaic.pipeline.retrieve import retrieve
from skymosaic.pipeline.rules import Rules
from skymosaic.results.listed_stars import are_current
from skymosaic.steps.finished import Finished
from skymosaic.steps.place import Place
from skymosaic.steps.step import Bench, run_step
from skymosaic.steps.tasks import Step
from skymosaic.store.local import LocalStore
from tests.frames import Frame, write_frames

SHIFT = 0.36  # arcsec north: what the earlier campaign's alignment did
NAN = math.nan


def finish(place: Place, step: Step[Any], files: Mapping[str, bytes], result: Any) -> Finished[Any]:
    """Write a finished step with files into a store."""

    def work(bench: Bench) -> Any:
        for name, content in files.items():
            (bench.out / name).write_bytes(content)
        return result

    return run_step(place, step, inputs={}, parameters={}, versions={}, work=work)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> tuple[Path, Finished[InspectionResult], np.ndarray]:
    """Return a folder with a finished campaign `first`, what another one inspected, and sources."""
    folder = tmp_path_factory.mktemp("stores")
    data = folder / "data"
    data.mkdir()
    write_frames(data, [Frame(0, 0, pixels=64), Frame(5, 0, pixels=64)])
    place = Place(LocalStore(folder / "store"), "second", folder / "scratch")
    source = Directory(data)
    retrieved = [retrieve(place, source, Rules(), parcel) for parcel in source.parcels()]
    inspected = inspect(place, retrieved, Rules())
    exposures = inspected.result.exposures
    ra, dec = np.mean(exposures[0].polygons[0], axis=0)
    chip = Chip(1, exposures[0].chips[0].footprint, "IDC", 0.0, 0.128, False)
    names = tuple(one.rootname for one in exposures)
    image = replace(exposures[0], rootname="tile01030", suffix="_drz", members=names, chips=(chip,))
    first = replace(place, campaign="first")
    files = {one.name: (data / one.name).read_bytes() for one in exposures}
    finish(first, RETRIEVE.step("all"), {**files, image.name: b"x"}, RetrieveResult([]))
    finish(first, INSPECT.step(), {}, InspectionResult(exposures, [image]))
    moved = {}
    for name, content in files.items():
        (folder / name).write_bytes(content)
        with fits.open(folder / name, mode="update") as hdus:
            for hdu in hdus:
                if "CRVAL2" in hdu.header:
                    hdu.header["CRVAL2"] += SHIFT / 3600
        moved[name] = (folder / name).read_bytes()
    fit = TileFit("tile01030", 1, 4, 0, 0, 0, 1, 4, 1.0, 1.0, SHIFT)
    alignment = Alignment(["tile01030"], [fit], [], [], [], {"tile01030": list(names)}, {})
    finish(first, ALIGN.step(), moved, AlignResult(exposures, alignment))
    sky = np.stack([np.full(4, ra), dec + np.arange(4) / 3600], axis=1)
    rows = [[10.0, 10.0, *place, 100.0 * (n + 1)] for n, place in enumerate(sky.tolist())]
    write_sources(folder / "listed.fits", rows)
    listed = {sources_name("tile01030"): (folder / "listed.fits").read_bytes()}
    finish(first, TILE_SOURCES.step("tile01030_drz"), listed, TileSourcesResult({"tile01030": 4}))
    return folder, inspected, sky


def listed(store, campaign: str) -> Finished[Any]:
    folder, inspected, _ = store
    text = (
        "campaign: {name: second}\nsource: {kind: directory, path: data}\n"
        f"store: {{uri: {folder}/store}}\n"
        f"align: {{reference: {{kind: campaign, campaign: {campaign}}}}}\n"
    )
    place = Place(LocalStore(folder / "store"), "second", folder / "scratch")
    return list_reference(place, load_campaign_text(text, "s.yaml", {}), inspected)


def test_sources_lie_where_the_alignment_put_them(store, tmp_path) -> None:
    folder, inspected, sky = store
    done = listed(store, f"{folder}/store/first")
    assert (done.result.name, done.result.stars) == ("first", 4)
    LocalStore(folder / "store").get(done.products[FILE], tmp_path / FILE)
    found = read_reference(tmp_path / FILE)
    moved = (np.sort(found.dec) - sky[:, 1]) * 3600
    assert moved == pytest.approx([SHIFT] * 4, abs=1e-3)
    assert not found.has_motion.any()
    assert np.ptp(found.mag) == pytest.approx(2.5 * np.log10(4))
    epoch = epoch_of(inspected.result.exposures)
    assert done.result.epochs == ([] if epoch is None else pytest.approx([epoch, epoch]))
    # Nothing was written into the earlier campaign, and nothing is done twice.
    assert not (folder / "store" / "first" / "reference").exists()
    assert listed(store, f"{folder}/store/first").reused
    # Headers name the campaign: those of another name are others.
    own = Place(LocalStore(folder / "store"), "second", folder / "scratch")
    for name in ("first", "other"):
        align = Align(reference={"kind": "campaign", "campaign": f"{folder}/store/{name}"})
        assert are_current(own, align) == (name == "first")


def test_a_campaign_that_aligned_nothing_is_refused(store) -> None:
    folder, _, _ = store
    with pytest.raises(CampaignError, match=r"store/none is no campaign that was aligned"):
        listed(store, f"{folder}/store/none")


def test_the_middle_of_exposures_counts_by_their_time(store) -> None:
    [one, other] = store[1].result.exposures
    if one.extent is None:
        assert epoch_of([one]) is None
        return
    early = replace(one, exptime=100.0, extent=replace(one.extent, started=51544.5))
    late = replace(other, exptime=300.0, extent=replace(one.extent, started=51544.5 + 365.25))
    assert epoch_of([early, late]) == pytest.approx(2000.75, abs=1e-4)
    assert epoch_of([]) is None
