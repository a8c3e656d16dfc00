"""Figures of many exposures: what they show in place of single marks."""

from __future__ import annotations

import json

import numpy as np
import pytest

from skymosaic.evidence.residuals import Residual
from skymosaic.report import pictures
from skymosaic.report.contents import Report
from skymosaic.report.densities import MOST_MARKS, bins_of_pairs, depth_map, lots, scatter_bins
from skymosaic.report.embedding import as_item
from skymosaic.report.figures import footprints, scatter
from skymosaic.report.mdrizsky import mdrizsky_table
from skymosaic.report.pictures import LEAST_PIXELS, MOST_PIXELS, PagePictures, pictures_of
from skymosaic.report.scatter import scatter_chart
from skymosaic.report.skymap import sky_chart
from tests.unit.reports import BARE, runs

COUNT = MOST_MARKS + 50
NAMES = [f"e{number:04d}" for number in range(COUNT)]
SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def residual(a: str, b: str, value: float) -> Residual:
    return Residual("match", a, b, value, 0.01, value / 0.05)


def test_lots_hold_all_exposures_and_are_no_more_than_bins() -> None:
    assert lots(450, 100) == (5, 90)
    assert lots(100, 100) == (1, 100)
    assert lots(101, 100) == (2, 51)


def test_a_bin_of_pairs_is_its_largest_residual_with_the_sign_of_row_minus_column() -> None:
    pairs = [
        residual("e0001", "e0210", 0.2),
        residual("e0211", "e0002", 0.5),
        residual("e0003", "e0004", -0.1),
    ]
    found = {(one.row, one.column): one for one in bins_of_pairs(pairs, NAMES, 90)}
    assert set(found) == {(0, 42), (0, 0)}
    assert found[0, 42].pairs == 2
    assert found[0, 42].largest.residual == -0.5
    assert (found[0, 42].largest.a, found[0, 42].largest.b) == ("e0002", "e0211")
    assert found[0, 0].largest.residual == -0.1


def test_the_depth_is_the_exposures_that_cover_a_place() -> None:
    polygons = {
        "a": [SQUARE],
        "b": [np.add(SQUARE, [0.5, 0.0])],
        "c": [SQUARE, np.add(SQUARE, [0.25, 0.0])],  # two chips that share a part
        "d": [np.add(SQUARE, [3.0, 0.0])],
    }
    found = depth_map(polygons, bins=40)
    assert found.depth.shape == (10, 40)

    def at(x: float, y: float) -> tuple[int, int]:
        return int(y * 10), int(x * 10)

    assert found.depth[at(0.65, 0.5)] == 3
    assert list(found.names[at(0.65, 0.5)]) == ["a", "b", "c"]
    assert found.depth[at(1.45, 0.5)] == 1
    assert found.depth[at(2.05, 0.5)] == 0
    assert found.depth[at(3.55, 0.5)] == 1
    assert found.depth.sum() == 100 + 100 + 120 + 100  # bins


def test_bins_of_a_scatter_plot_count_what_is_known() -> None:
    values = np.ma.masked_array(np.linspace(0, 1, COUNT), mask=np.arange(COUNT) % 9 == 0)
    bins = scatter_bins(values, (0.0, 1.0))
    assert bins.count.sum() == values.count()
    assert len(bins.x) < 200
    flat = scatter_bins(np.ma.masked_array(np.full(COUNT, 3.0)), (3.0, 3.0))
    assert flat.count.sum() == COUNT


@pytest.fixture(scope="module")
def table():
    skies = {"localmin": dict.fromkeys(NAMES, 1.0), "match": dict.fromkeys(NAMES, 0.1)}
    skies["match"][NAMES[3]] = None
    return mdrizsky_table(runs(skies))


def test_the_scatter_plot_of_many_exposures_shows_their_density(table) -> None:
    chart = scatter_chart(table)
    counts = {one.name: sum(one.data_source.data["count"]) for one in chart.renderers}
    assert counts == {"localmin": COUNT, "match": COUNT - 1}
    assert NAMES[7] not in as_item(chart)
    panels = [axes for axes in scatter(table).axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["localmin", "match, 1 value undetermined"]
    drawn = [axes.collections[0].get_array().sum() for axes in panels]
    assert drawn == [COUNT, COUNT - 1]


def test_the_map_of_many_exposures_shows_how_many_cover_a_place() -> None:
    polygons = {
        name: [np.add(SQUARE / 30, [number % 25 / 50, number // 25 / 50])]
        for number, name in enumerate(NAMES)
    }
    chart = sky_chart(Report(BARE, polygons=polygons), {})
    [drawn] = chart.renderers
    assert max(drawn.data_source.data["depth"]) >= 2
    item = as_item(chart)
    json.loads(item)
    assert len(item) < 400_000
    figure = footprints(polygons, [NAMES])
    assert len(figure.axes[0].patches) == 0
    assert figure.axes[0].collections[0].get_array().max() >= 2


def test_pictures_have_as_many_pixels_as_their_bytes_allow() -> None:
    random = np.random.default_rng(0)
    images = {m: random.normal(size=(1200, 900)) for m in ("localmin", "match", "globalmin")}
    whole = pictures_of(images, "electron / s", 100_000_000).mosaics
    assert {max(one.width, one.height) for one in whole} == {
        600
    }  # blocks of two keep it below 1000
    some = pictures_of(images, "electron / s", 500_000)
    less, scales = some.mosaics, some.tones
    assert len(less) == len(whole) == 5
    assert sum(len(one.uri) for one in less) <= 500_000
    assert set(scales) == {"mosaic", "difference"}
    least = pictures_of(images, "electron / s", 1).mosaics
    assert {max(one.width, one.height) for one in least} == {LEAST_PIXELS}
    assert MOST_PIXELS == 1000
    assert pictures_of({}, "electron / s", 1) == PagePictures([], {})
    assert max(pictures.best_picture(images, "match").height, 0) <= pictures.BEST
