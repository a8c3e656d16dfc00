"""The steps of an alignment in a store: what each fetches, what is made anew, what is read back."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from skymosaic.config import Campaign, load_campaign_text, resolved_yaml
from skymosaic.errors import AlignmentError
from skymosaic.pipeline.earlier_alignment import find_earlier
from skymosaic.pipeline.graph import FirstTasks, begin
from skymosaic.pipeline.results import ALIGN, AlignResult
from skymosaic.pipeline.sources import open_source
from skymosaic.results.reading import read_finished_steps
from skymosaic.steps.execution import Here
from skymosaic.steps.foresight import Foreseeing
from skymosaic.steps.step import Bench, Place, run_step
from skymosaic.store import LocalStore
from skymosaic.versions import versions

TEXT = """
campaign: {name: field}
source: {kind: simulated, size: small, seed: 3, tiles: [54, 51, 57]}
"""


@dataclass(frozen=True)
class Run:
    """A campaign that is aligned, in a store of its own."""

    root: Path
    campaign: Campaign
    place: Place

    @classmethod
    def in_folder(cls, root: Path, more: str = "") -> Run:
        campaign = load_campaign_text(f"{TEXT}{more}", "field.yaml", {})
        scratch = root / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        place = Place(LocalStore(root / "store"), "field", scratch)
        place.store.write_text(place.key("campaign.yaml"), resolved_yaml(campaign))
        return cls(root, campaign, place)

    def begin(self, calls: Any = None) -> FirstTasks:
        source = open_source(self.campaign.source)
        place = self.place if calls is None else self.place.only_finished()
        return begin(calls or Here(), self.campaign, place, source, source.parcels())

    def begin_until(self, name: str) -> None:
        """Run, and be killed where a call of this name is made."""

        class Killed(Here):
            def call(self, function: Any, *arguments: Any, **about: Any) -> Any:
                if about.get("name") == name:
                    raise KeyboardInterrupt
                return super().call(function, *arguments, **about)

        source = open_source(self.campaign.source)
        begin(Killed(), self.campaign, self.place, source, source.parcels())

    def steps_to_make(self) -> list[str]:
        """Return the steps that a run would make."""
        calls = Foreseeing()
        self.begin(calls)
        return list(calls.foreseen.to_make)

    def manifests(self) -> dict[str, dict[str, Any]]:
        folder = self.root / "store" / "field" / "manifests"
        paths = folder.rglob("*.json")
        return {p.relative_to(folder).with_suffix("").as_posix(): reading(p) for p in paths}

    def copy(self, root: Path, more: str = "") -> Run:
        shutil.copytree(self.root / "store", root / "store")
        return Run.in_folder(root, more)


def reading(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.in_folder(tmp_path_factory.mktemp("aligned"))
    run.begin()
    return run


def test_no_task_has_more_than_one_image(run: Run) -> None:
    manifests = run.manifests()
    images = {
        product["sha256"]
        for step, manifest in manifests.items()
        for name, product in manifest["products"].items()
        if step.startswith("pristine/") and name.endswith(("_flt.fits", "_drz.fits"))
    }
    assert len(images) == 9
    fetched = {step: len(images & set(m["fetched"])) for step, m in manifests.items()}
    assert {step: fetched[step] for step in ("tiles", "finding", "solution", "aligned")} == {
        "tiles": 0,
        "finding": 0,
        "solution": 0,
        "aligned": 0,
    }
    of_images = ("tile_noise/", "tile_counts/", "tile_sources/", "moved/")
    each = {step: count for step, count in fetched.items() if step.startswith(of_images)}
    assert len(each) == 3 * 3 + 6
    assert set(each.values()) == {1}
    # Who solves gets no more than headers and sources.
    assert sum(manifests["solution"]["fetched"].values()) < 200_000


def test_all_is_found_again_and_nothing_is_made_twice(run: Run) -> None:
    first = run.begin(Here())
    assert first.aligned.reused
    assert [part.kind for part in first.parts] == [
        *("tiles", "tile_noise", "tile_counts", "finding", "tile_sources", "solution", "moved"),
    ]
    assert run.steps_to_make() == []


def test_other_gates_let_exposures_stay_that_do_not_move(run: Run, tmp_path: Path) -> None:
    again = run.copy(tmp_path, "align: {gates: {max_rms_mas: 39}}")
    assert again.steps_to_make() == ["solution"]
    again.begin()
    before, after = run.manifests(), again.manifests()
    changed = [step for step in before if before[step]["key"] != after[step]["key"]]
    assert sorted(changed) == ["aligned", "solution"]


def test_what_an_alignment_gave_is_read_back(run: Run) -> None:
    first = run.begin(Here()).aligned
    found = read_finished_steps(run.place)
    assert "align" not in [missing.part for missing in found.missing]
    assert found.aligned is not None
    assert found.aligned.result == first.result
    assert found.aligned.products == first.products
    assert len([name for name in found.aligned.products if name.endswith("_flt.fits")]) == 6
    [own] = [step for step in found.steps if step.step == "aligned"]
    assert set(own.products) == {"align.log", "alignment.ecsv", "vectors.ecsv"}


def test_an_exposure_that_is_gone_counts_as_not_aligned(run: Run, tmp_path: Path) -> None:
    again = run.copy(tmp_path)
    lost = next(iter((tmp_path / "store" / "field" / "aligned").glob("ibxl51*_flt.fits")))
    lost.unlink()
    found = read_finished_steps(again.place)
    assert found.aligned is None
    assert "align" in [missing.part for missing in found.missing]
    assert again.steps_to_make() == [f"moved/{lost.stem}"]
    again.begin()
    assert lost.exists()


def test_a_gate_that_fails_is_told_of_the_alignment(run: Run, tmp_path: Path) -> None:
    again = run.copy(tmp_path, "align: {gates: {max_rms_mas: 0.001}}")
    with pytest.raises(AlignmentError, match=r"gates of the alignment failed.*has, by threshold"):
        again.begin()
    failed = tmp_path / "store" / "field" / "failed"
    assert reading(failed / "solution.json")["error"]["class"] == "AlignmentError"
    assert "Performing fit for" in (failed / "solution" / "align.log").read_text()
    [told] = [one for one in read_finished_steps(again.place).missing if one.part == "align"]
    assert told.state == "failed"
    assert "gates of the alignment failed" in told.why


def test_what_an_older_version_aligned_in_one_step_stays(run: Run, tmp_path: Path) -> None:
    first = run.begin(Here())
    older = run.copy(tmp_path)
    for step in ("aligned", "solution", "finding", "tiles", "moved", "tile_sources"):
        key = older.place.key("manifests", step)
        older.place.store.remove(key)
        older.place.store.delete(f"{key}.json")
    settings = older.campaign.align
    inspected = first.inspected
    images = [*inspected.result.exposures, *inspected.result.drizzled]

    def work(bench: Bench) -> AlignResult:
        for name, product in first.aligned.products.items():
            shutil.copyfile(run.root / "store" / product.key, bench.out / name)
        return replace(first.aligned.result, files=None)

    older.place.store.remove(older.place.key("aligned"))
    names = ("method", "order", "tweakreg", "imagefind", "gates", "min_sources", "on_failure")
    dumped = settings.model_dump(mode="json")
    in_one_step = run_step(
        older.place,
        ALIGN.step(),
        inputs={image.name: inspected.products[image.name] for image in images},
        parameters={name: dumped[name] for name in names},
        versions=versions(),
        work=work,
    )
    assert len(in_one_step.products) == 6 + 3
    assert older.steps_to_make() == []
    again = older.begin(Here())
    assert again.aligned.key == in_one_step.key
    assert again.aligned.result.alignment == first.aligned.result.alignment
    found = read_finished_steps(older.place)
    assert found.aligned is not None
    assert found.aligned.key == in_one_step.key
    for other in ("align: {gates: {max_rms_mas: 39}}", "align: {order: [51]}"):
        asked_for = load_campaign_text(f"{TEXT}{other}", "field.yaml", {}).align
        assert find_earlier(older.place, asked_for, inspected) is None
    shifts = f"{TEXT}align: {{tweakreg: {{fitgeometry: shift}}}}"
    killed = replace(older, campaign=load_campaign_text(shifts, "field.yaml", {}))
    with pytest.raises(KeyboardInterrupt):
        killed.begin_until("align")
    # Some exposures are those of the other settings: the earlier alignment no longer holds.
    older.begin()
    assert older.manifests()["aligned"]["parameters"].keys() >= {"parts"}
    for name, product in first.aligned.products.items():
        if name.endswith("_flt.fits"):
            assert (older.root / "store" / product.key).read_bytes() == (
                run.root / "store" / product.key
            ).read_bytes()
