"""What a report says of masks of cosmic rays: whose they are, and by how much methods differ."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.drizzle.summaries import CosmicRaySearch, MaskedChip
from skymosaic.evidence.weights import WeightDifference, weight_difference
from skymosaic.pipeline.results import DrizzleResult
from skymosaic.pipeline.sentences import masks
from skymosaic.report.comparison import assemble
from skymosaic.report.documents import document
from skymosaic.steps.finished import Finished
from skymosaic.store import Product
from tests.unit.reports import data, known_run

SEARCH = CosmicRaySearch(
    "match",
    [
        MaskedChip("a", 1, pixels=1000, hit=30),
        MaskedChip("a", 2, pixels=1000, hit=10),
        MaskedChip("b", 1, pixels=None, hit=None),
    ],
)


def run(method: str, **result: object) -> Finished[DrizzleResult]:
    weight = f"{method}_wht.fits"
    products = {weight: Product(f"field/runs/{weight}", "0" * 64, 1)}
    plain = {"weight_checksum": method, **result}
    result = DrizzleResult([], "sci", weight, "preview", **plain)
    return Finished(f"runs/{method}", "k", products, result, 1.0, 0, reused=True)


def runs(*methods: str, **result: object) -> dict[str, Finished[DrizzleResult]]:
    return {method: run(method, **result) for method in methods}


def test_masks_of_one_sky_are_told_with_whose_they_are_and_who_shares_them() -> None:
    said = masks.once(runs("localmin", "match", "globalmin", cosmic_rays=SEARCH), "match")
    assert "looked for once, with the sky of match as AstroDrizzle has it; 2.00% of the" in said
    assert "same masks as here; its mosaics of localmin and globalmin would" in said
    assert "docs/engines.md, 'Cosmic rays'" in said


def test_one_method_shares_its_masks_with_none() -> None:
    said = masks.once(runs("match", cosmic_rays=SEARCH), "match")
    assert said.endswith("masked as hit.")
    assert "other" not in said


def test_own_methods_have_the_masks_of_the_method_that_stands_for_them() -> None:
    said = masks.once(runs("match-differences", "localmin"), "match")
    assert "Its mosaics of match-differences * and localmin would have other masks" in said
    assert "%" not in said  # an older version did not count


def test_the_page_of_the_documentation_has_what_the_report_points_to() -> None:
    page, _, title = masks.MEASURED.partition(", ")
    text = (Path(__file__).parents[2] / page).read_text()
    section = text.split(f"## {title.strip(chr(39))}\n")[1].split("\n## ")[0]
    assert "benchmarks/masks.py" in section and "globalmin" in section


def test_hits_are_tabulated_by_chip() -> None:
    found = runs("localmin", "match", cosmic_rays=SEARCH)
    assert masks.method_recorded(found) == "match"
    table = masks.hit_sheet(found)
    assert table is not None
    assert table["hit"].tolist() == [30, 10, None]
    assert table["share"].tolist() == [0.03, 0.01, None]
    assert "match" in table.meta["title"]
    assert masks.hit_sheet(runs("match")) is None
    assert masks.method_recorded(runs("match")) is None
    report = assemble(data(), known_run(cosmic_rays=table), [])
    assert document(report)["tables"]["cosmic_rays"]["rows"][0] == ["a", 1, 1000, 30, 0.03]


def test_weights_are_compared_pixel_by_pixel() -> None:
    base = np.array([[0.0, 500.0, 500.0], [1000.0, 1000.0, 1000.0]], dtype=np.float32)
    other = base.copy()
    other[0, 2] = 0.0
    other[1, 0] = 500.0
    other[1, 1] += np.float32(1e-4)  # one step of single precision
    found = weight_difference((other[n : n + 1], base[n : n + 1]) for n in range(2))
    assert found == WeightDifference(5, 2 / 5, pytest.approx(1000.0 / 4000.0))
    nothing = np.zeros((1, 3), dtype=np.float32)
    assert weight_difference([(nothing, nothing)]) == WeightDifference(0, 0.0, 0.0)


class Shelf:
    """Gives weight maps as a step's bench does."""

    def __init__(self, maps: dict[str, np.ndarray]) -> None:
        self._files = {}
        for method, values in maps.items():
            content = io.BytesIO()
            fits.writeto(content, values)
            self._files[f"{method}_wht.fits"] = content.getvalue()

    def open(self, product: Product) -> io.BytesIO:
        return io.BytesIO(self._files[product.name])


def test_each_method_s_weights_are_compared_with_the_reference_s() -> None:
    base = np.full((300, 4), 500.0, dtype=np.float32)
    masked = base.copy()
    masked[290] = 0.0
    found = runs("localmin", "match", "globalmin")
    found["globalmin"] = run("globalmin", weight_checksum="match")
    shelf = Shelf({"localmin": masked, "match": base, "globalmin": base})
    reference, apart = masks.compare_weights(shelf, found)
    assert reference == "match"
    assert apart["localmin"] == WeightDifference(1200, 1 / 300, pytest.approx(1 / 300))
    assert apart["globalmin"].share == 0.0
    said = masks.each(apart, reference)
    assert "from those of match: localmin in 0.33% of the pixels (0.33% of the weight)" in said
    table = masks.weight_sheet(apart, reference)
    assert table is not None and table["share"].tolist() == [1 / 300, 0.0]


def test_equal_weights_and_one_method_are_told_as_such() -> None:
    assert "are equal" in masks.each({"localmin": WeightDifference(9, 0.0, 0.0)}, "match")
    assert masks.each({}, "match").endswith("with the sky of its method.")
    assert masks.weight_sheet({}, "match") is None
