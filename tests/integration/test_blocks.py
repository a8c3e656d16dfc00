"""Mosaics from exposures that are drizzled alone and summed in blocks: those of one task."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.config import load_campaign_text
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.run import Options, drizzle_all
from skymosaic.drizzle.order import Order
from skymosaic.drizzle.request import Request
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.reading import read_exposure
from skymosaic.methods import word
from skymosaic.pipeline.graph import PreparedTasks, drizzle_each
from skymosaic.pipeline.results import ALIGN, PLAN, AlignResult, Planned
from skymosaic.steps.execution import Here
from skymosaic.steps.step import Finished, Place
from skymosaic.store import open_store
from tests.conftest import manifests
from tests.frames import Frame, plan
from tests.many_frames import write_many

FRAMES = [
    Frame(0, 0, sky=0.7),
    Frame(40, 5, 8.0, sky=1.1),
    Frame(-30, 45, 20.0, sky=0.9),
    Frame(35, 50, 4.0, sky=1.4),
    Frame(330, 0, sky=1.2),  # overlaps no other
]
CAMPAIGN = """
campaign: {name: field}
source: {kind: directory, path: data}
align: none
drizzle: {engine: onepass}
sky:
  methods: METHODS
  MORE
  variants:
    mode: {method: localmin, parameters: {skystat: mode}}
    given: {values: VALUES}
"""
ALL = "[localmin, match, globalmin, globalmin+match, match-differences]"
FEW = "[match, match-differences]"
OF_ITS_OWN = {"STEPKEY", "CHECKSUM", "DATASUM", "DATE"}


class Field:
    """Exposures in a store as they come from `align`, on a grid."""

    def __init__(
        self, folder: Path, chips: int, scale: float, methods: str = ALL, **parameters: Any
    ) -> None:
        self.files, self.methods = folder / "files", methods
        self.options = Options()
        self.files.mkdir()
        self.names = write_many(self.files, FRAMES, chips)
        self.exposures = [read_exposure(self.files / name) for name in self.names]
        self.parameters = pars.resolve({"final_bits": 64, **parameters})
        self.grid: Grid = plan(self.files, self.names, scale=scale)
        self.place = Place(open_store(f"{folder}/store", {}), "field", folder)
        self.folder = folder / "store" / "field"

    def campaign(self, exposures: Sequence[Exposure]) -> Any:
        values = {one.rootname: 0.1 * (1 + self.exposures.index(one)) for one in exposures}
        text = CAMPAIGN.replace("VALUES", str(values).replace("'", ""))
        more = f"planes: {str(self.options.planes).lower()}"
        if self.options.mask_sources:
            more += "\n  mask_sources: true"
        if self.options.per_chip != "auto":
            more += f"\n  per_chip: {str(self.options.per_chip).lower()}"
        if self.options.swapped_footprints:
            more += "\n  footprints: swapped"
        if self.options.errors:
            text = text.replace("{engine: onepass}", "{engine: onepass, products: [err]}")
        text = text.replace("METHODS", self.methods).replace("MORE", more)
        return load_campaign_text(text, "field.yaml", {})

    def drizzled(self, exposures: Sequence[Exposure]) -> Any:
        """Make the mosaics by the tasks of the graph."""
        products = {
            one.name: self.place.store.put(self.files / one.name, f"field/aligned/{one.name}")
            for one in exposures
        }
        aligned = Finished(
            ALIGN.step().name, "a", products, AlignResult(list(exposures)), 0.0, 0, True
        )
        order = Order(self.parameters, {}, [])
        facts = Planned(self.grid, [], [], order=order)
        planned = Finished(PLAN.step().name, "p", {}, facts, 0.0, 0, True)
        prepared = PreparedTasks([], None, aligned, planned)
        return drizzle_each(Here(), self.campaign(exposures), self.place, prepared).onepass

    def at_once(self, work: Path) -> dict[str, Any]:
        """Make the mosaics by the one task."""
        shutil.copytree(self.files, work)
        request = Request.of(self.campaign(self.exposures))
        return drizzle_all(
            *(work, work / "log", self.exposures),
            {name: f"field_{word(name)}" for name in request.choices},
            *(request.choices, self.grid, self.parameters, self.options),
        )


def cards(header: fits.Header) -> list[tuple[str, Any, str]]:
    return [(c.keyword, c.value, c.comment) for c in header.cards if c.keyword not in OF_ITS_OWN]


@pytest.mark.parametrize(
    ("chips", "methods", "parameters", "options"),
    [
        (1, ALL, {"context": True}, Options(planes=True, mask_sources=True)),
        (
            2,
            FEW,
            {"final_wht_type": "ERR", "final_units": "counts", "final_fillval": 0},
            Options(errors=True, swapped_footprints=True),
        ),
        pytest.param(
            *(2, FEW, {}, Options(planes=True, mask_sources=True, per_chip=True)),
            marks=pytest.mark.campaign,
        ),
        pytest.param(
            *(1, FEW, {"final_kernel": "gaussian", "final_pixfrac": 0.8}, Options(errors=True)),
            marks=pytest.mark.campaign,
        ),
    ],
)
def test_mosaics_from_blocks_are_those_of_one_task(
    tmp_path: Path, chips: int, methods: str, parameters: dict[str, Any], options: Options
) -> None:
    field = Field(tmp_path, chips, 0.03, methods, **parameters)
    field.options = options
    tasks = field.drizzled(field.exposures)
    blocks = [one for one in manifests(field.folder) if one.startswith("blocks/")]
    assert len(blocks) > 1  # they meet somewhere
    expected = field.at_once(tmp_path / "work")
    if options.mask_sources:
        masks = [np.load(one) for one in field.folder.glob("sources/mask/*/*_mask.npy")]
        assert len(masks) == len(blocks)
        assert 0.001 < np.mean([mask.mean() for mask in masks]) < 0.5
    assert set(tasks.runs) == set(expected)
    for name, one in expected.items():
        run = tasks.runs[name]
        assert run.result.sky == one.sky, name
        assert run.result.footprints == one.footprints
        both = [(run.result.science, one.science), (run.result.weight, one.weight)]
        both += [(str(run.result.error), one.error)] if one.error is not None else []
        assert (one.error is not None) == options.errors == (run.result.error is not None)
        for ours, file in both:
            with fits.open(field.folder / f"runs/{word(name)}" / ours) as a, fits.open(file) as b:
                # A block adds another constant to a sum than the whole mosaic: rounding.
                np.testing.assert_allclose(a[0].data, b[0].data, rtol=1e-6, atol=1e-7)
                theirs = cards(b[0].header)
                assert [card for card in cards(a[0].header) if card in theirs] == theirs
                for table in a[1:]:
                    assert repr(table.data) == repr(b[table.name].data)
    if parameters.get("context"):
        ours = field.folder / "runs/match" / f"{expected['match'].science.stem[:-4]}_ctx.fits"
        plain = expected["match"].science.with_name(ours.name)
        np.testing.assert_array_equal(fits.getdata(ours), fits.getdata(plain))


def test_an_exposure_more_touches_its_own_blocks_alone(tmp_path: Path) -> None:
    # A static mask of all exposures would be another one with one exposure more.
    field = Field(tmp_path, 1, 0.03, methods="[localmin]", static=False)
    *most, last = field.exposures
    assert last.rootname == max(one.rootname for one in field.exposures)
    field.drizzled(most)
    before = manifests(field.folder)
    field.drizzled(field.exposures)
    after = manifests(field.folder)
    kept = {step for step in before if after[step] == before[step]}
    for kind in ("singles", "measured"):
        assert {f"{kind}/{one.rootname}" for one in most} <= kept, kind
    blocks = {step for step in after if step.startswith("blocks/")}
    changed = blocks - kept
    touched = {
        step for step in blocks if any(last.rootname in name for name in after[step]["inputs"])
    }
    assert changed == touched
    assert 0 < len(touched) < len(blocks)
    # From scratch, with the same grid, they are the same bytes.
    field.place = replace(field.place, campaign="fresh")
    field.drizzled(field.exposures)
    scratch = manifests(field.folder.with_name("fresh"))
    for step in blocks:
        ours, theirs = (one[step]["products"].values() for one in (scratch, after))
        assert [one["sha256"] for one in ours] == [one["sha256"] for one in theirs], step


@pytest.mark.campaign
def test_skies_that_move_leave_error_planes_alone(tmp_path: Path) -> None:
    field = Field(tmp_path, 1, 0.06, methods="[localmin]")
    field.options = Options(errors=True)
    field.drizzled(field.exposures)
    before = manifests(field.folder)
    field.methods = "[localmin, match]"
    field.drizzled(field.exposures)
    after = manifests(field.folder)
    same = {step for step in before if after[step] == before[step]}
    kinds = {step.partition("/")[0] for step in same}
    assert kinds >= {"singles", "variances", "errors"}
    assert not any(step.startswith(("blocks/", "runs/")) for step in same)
    planes = [after[f"runs/{name}"]["products"] for name in ("localmin", "match")]
    assert all(any(name.endswith("_err.fits") for name in one) for one in planes)
