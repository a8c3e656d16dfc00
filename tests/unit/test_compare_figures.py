from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from skymosaic.report.figures import footprints, save_png, scatter
from skymosaic.report.mdrizsky import mdrizsky_table
from skymosaic.sky.values import SkyValue

SQUARE = np.array([[-0.01, -0.01], [0.01, -0.01], [0.01, 0.01], [-0.01, 0.01]])


def table(count=3, undetermined=()):
    names = [f"exp{i:03d}" for i in range(count)]
    skies = {
        "localmin": [1.0 + i for i in range(count)],
        "match": [None if i in undetermined else 0.1 * i for i in range(count)],
    }
    return mdrizsky_table(
        {
            m: [SkyValue(n, 1, v, 60.0) for n, v in zip(names, s, strict=True)]
            for m, s in skies.items()
        }
    )


def points(figure, label):
    (axes,) = figure.axes
    return next(c for c in axes.collections if c.get_label() == label)


def test_every_method_is_drawn_with_colour_marker_and_name():
    figure = scatter(table())
    (axes,) = figure.axes
    np.testing.assert_allclose(points(figure, "localmin").get_offsets()[:, 1], [1, 2, 3])
    np.testing.assert_allclose(points(figure, "match").get_offsets()[:, 1], [0, 0.1, 0.2])
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["localmin", "match"]
    markers = {c.get_paths()[0].vertices.tobytes() for c in axes.collections}
    assert len(markers) == 2
    assert "electron / s" in axes.get_ylabel()
    assert [t.get_text() for t in axes.get_xticklabels()] == ["exp000", "exp001", "exp002"]


def test_undetermined_values_are_crosses_on_the_axis_and_named():
    figure = scatter(table(undetermined={1}))
    (axes,) = figure.axes
    crosses = points(figure, "match: undetermined")
    assert crosses.get_offsets()[:, 0].tolist() == [1]
    assert crosses.get_offsets()[0, 1] < 0.1  # a fraction of the axis, not a sky
    assert [t.get_text() for t in axes.texts] == ["exp001: undetermined"]
    assert points(figure, "match").get_offsets().mask[:, 1].tolist() == [False, True, False]


def test_many_exposures_have_an_index_instead_of_names():
    (axes,) = scatter(table(41)).axes
    assert "exp000" not in [t.get_text() for t in axes.get_xticklabels()]
    assert "index" in axes.get_xlabel()


def test_chips_of_one_exposure_are_told_apart():
    values = [SkyValue("a", chip, 1.0, 60.0) for chip in (1, 2)]
    (axes,) = scatter(mdrizsky_table({"localmin": values})).axes
    assert [t.get_text() for t in axes.get_xticklabels()] == ["a[1]", "a[2]"]


def test_footprints_have_right_ascension_to_the_left_and_true_proportions():
    polygons = {"a": [np.add(SQUARE, [85.0, 60.0])], "b": [np.add(SQUARE, [85.1, 60.0])]}
    figure = footprints(polygons, [["a"], ["b"]])
    (axes,) = figure.axes
    left, right = axes.get_xlim()
    assert left > right
    assert axes.get_aspect() == 1
    first, second = (patch.get_xy() for patch in axes.patches[::2])
    assert first[:, 0].max() - second[:, 0].max() == pytest.approx(-3.0, rel=1e-3)  # arcmin
    assert np.ptp(first[:, 1]) == pytest.approx(60 * np.ptp(np.array(SQUARE)[:, 1]), rel=1e-3)
    colours = {p.get_edgecolor() for p in axes.patches if p.get_edgecolor()[3] > 0}
    assert len(colours) == 2
    labels = [t.get_text() for t in axes.get_legend().get_texts()]
    assert labels == ["group 1 (1 exposure)", "group 2 (1 exposure)"]
    assert sorted(t.get_text() for t in axes.texts) == ["a", "b"]


def test_footprints_across_zero_right_ascension_stay_together():
    polygons = {
        "a": [np.add(SQUARE, [359.995, 0.0])],
        "b": [np.add(SQUARE, [0.005, 0.0])],
    }
    polygons["b"][0][:, 0] %= 360
    (axes,) = footprints(polygons, [["a", "b"]]).axes
    left, right = axes.get_xlim()
    assert left - right < 0.1 * 60  # arcmin
    assert axes.get_xlabel().startswith("offset east of RA 0.00000 ")


@pytest.mark.parametrize("pole", [90.0, -90.0])
def test_footprints_around_a_pole_are_drawn_as_they_lie(pole: float) -> None:
    """In RA and Dec the chip that holds the pole would be a line from one side to the other."""
    ra = np.array([45.0, 135.0, 225.0, 315.0])
    square = np.stack([ra, np.full(4, pole * (1 - 0.01 / 90))], axis=1)
    (axes,) = footprints({"a": [square]}, [["a"]]).axes
    corners = axes.patches[0].get_xy()[:4]
    sides = np.hypot(*(corners - np.roll(corners, 1, axis=0)).T)
    assert sides == pytest.approx(np.full(4, np.sqrt(2) * 0.6), rel=1e-5)  # arcmin
    assert f"offset north of Dec {pole:+.5f} deg" in axes.get_ylabel()


def test_dithered_exposures_share_one_label():
    polygons = {n: [np.add(SQUARE, [10.0, 0.0005 * i])] for i, n in enumerate("ab")}
    (axes,) = footprints(polygons, [["a", "b"]]).axes
    assert [t.get_text() for t in axes.texts] == ["a\nb"]


def test_figures_are_drawn_in_threads_with_the_same_bytes(tmp_path):
    def draw(i):
        return save_png(scatter(table(undetermined={2})), tmp_path / f"{i}.png").read_bytes()

    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(draw, range(4)))) == 1
    assert not {name for name in vars(sys.modules["skymosaic.report.figures"]) if "plt" in name}
