"""Skies of data in counts are shown as rates: exposure time changes no number that is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.skies import find_skies
from skymosaic.hst.exposure import Chip, Exposure
from skymosaic.hst.reading import read_exposure
from skymosaic.hst.units import header_unit, with_seconds
from skymosaic.methods import METHODS
from skymosaic.report.comparison import assemble
from skymosaic.report.documents import document, markdown
from skymosaic.report.figures import scatter
from skymosaic.report.invariants import check_invariants
from skymosaic.report.mdrizsky import format_table, mdrizsky_table, skies
from skymosaic.report.scatter import alternative, scatter_chart
from skymosaic.report.summary import sentences, warnings
from skymosaic.report.view import sky_view
from skymosaic.sky.values import SkyValue, rate_unit
from tests.frames import Frame, write_two_chip_frames
from tests.unit.reports import BARE, data

SCALE = 0.05  # arcsec


def camera(name: str, seconds: float, *, instrument: str = "ACS", counts: bool = True) -> Exposure:
    corners = ((10.0, 0.0), (10.1, 0.0), (10.1, 0.1), (10.0, 0.1))
    chips = tuple(Chip(n, corners, "IDC", 0.0, SCALE, counts) for n in (1, 2))
    return Exposure(name, "_flc", "asn", instrument, "WFC", "F606W", seconds, 0.0, 0.0, chips)


def published(levels: list[float], seconds: list[float]) -> dict[str, list[SkyValue]]:
    """Return what runs publish of exposures with these skies (e-/s a pixel): MDRIZSKY in e-."""
    exposures = [camera(f"e{n}", time) for n, time in enumerate(seconds)]
    low = min(levels)
    each = {
        "localmin": levels,
        "match": [level - low for level in levels],
        "globalmin": [low] * len(levels),
        "globalmin+match": levels,
    }
    return {
        method: with_seconds(
            [
                SkyValue(one.rootname, n, level * one.exptime, one.brightness_factor(n))
                for one, level in zip(exposures, skies, strict=True)
                for n in (1, 2)
            ],
            exposures,
        )
        for method, skies in each.items()
    }


FIELDS = st.integers(2, 5).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(0.001, 20.0), min_size=n, max_size=n),
        st.lists(st.floats(1.0, 3000.0), min_size=n, max_size=n),
        st.lists(st.floats(0.05, 50.0), min_size=n, max_size=n),
    )
)


@settings(max_examples=40, deadline=None)
@given(FIELDS)
def test_longer_exposures_of_one_sky_show_the_same_numbers(field) -> None:
    levels, seconds, factors = field
    groups = [[f"e{n}" for n in range(len(levels))]]
    longer = [time * factor for time, factor in zip(seconds, factors, strict=True)]
    one, other = (published(levels, times) for times in (seconds, longer))
    tables = [mdrizsky_table(runs, "electron") for runs in (one, other)]
    for method in METHODS:
        values = [skies(table)[method] for table in tables]
        np.testing.assert_allclose(values[0], values[1], rtol=1e-12)
        np.testing.assert_allclose(skies(tables[0])["localmin"], np.repeat(levels, 2), rtol=1e-12)
    held = [check_invariants(runs, groups) for runs in (one, other)]
    assert all(invariant.holds for its in held for invariant in its)
    assert [i.name for i in held[0]] == [i.name for i in held[1]]
    assert warnings(one, groups) == warnings(other, groups) == []


def shown(seconds: list[float]) -> list[str]:
    """Return all texts that tell of skies of 0.25, 0.5 and 0.125 e-/s, for these times."""
    runs, groups = published([0.25, 0.5, 0.125], seconds), [["e0", "e1", "e2"]]
    table = mdrizsky_table(runs, "electron")
    input_data = data(runs=runs, groups=groups, polygons={}, images={}, pairs={}, evidence=None)
    report = assemble(replace(input_data, unit="electron"), BARE, check_invariants(runs, groups))
    view = sky_view(report)
    assert view is not None
    tables = document(report)["tables"]
    chart = scatter_chart(table)
    drawn = [renderer.data_source.data["y"] for renderer in chart.renderers]
    [axes] = scatter(table).axes
    assert [h.text for h in view.headings][:3] == ["rootname", "chip", "localmin"]
    return [
        format_table(table),
        *sentences(runs, groups, "electron"),
        alternative(table),
        chart.yaxis.axis_label,
        str(drawn),
        *(str(points.get_offsets()) for points in axes.collections),
        axes.get_ylabel(),
        axes.get_title(),
        str(tables["differences"]),
        str(tables["invariants"]),
        view.caption,
        str([[cell.text for cell in row] for row in view.rows]),
        str([(heading.text, heading.unit) for heading in view.headings]),
        markdown(report),
    ]


def test_all_that_shows_skies_shows_rates() -> None:
    one, other = shown([512.0, 512.0, 1024.0]), shown([2048.0, 256.0, 512.0])
    assert one == other
    text = "\n".join(one)
    assert "electron / s" in text and "MDRIZSKY / EXPTIME" in text and "each chip" in text
    assert "0.500000" in text and "256" not in text  # 0.5 e-/s in 512 s


def test_rates_are_what_the_header_holds_to_the_last_digit() -> None:
    value = SkyValue("a", 1, 1 / 3, 60.0)
    assert with_seconds([value], [camera("a", 500.0, counts=False)]) == [value]
    assert value.rate == 1 / 3


def test_units_are_those_of_the_pixels() -> None:
    for instrument, detector, counts, unit, rate in (
        ("ACS", "WFC", True, "electron", "electron / s"),
        ("WFC3", "IR", False, "electron / s", "electron / s"),
        ("WFPC2", "1", True, "count", "count / s"),
        ("NICMOS", "NIC3", False, "count / s", "count / s"),
    ):
        one = replace(camera("a", 500.0, instrument=instrument, counts=counts), detector=detector)
        found = header_unit([one])
        assert (found, rate_unit(found)) == (unit, rate)
    assert header_unit([]) == "electron / s"


def test_the_sky_of_files_does_not_depend_on_exposure_time(tmp_path: Path) -> None:
    frames = [Frame(0, 0, sky=0.3), Frame(20, 15, 4.0, sky=0.5), Frame(-15, 10, sky=0.4)]
    names = write_two_chip_frames(tmp_path, frames)
    found = [rates(tmp_path, names)]
    for name, factor in zip(names, (0.5, 4.0, 2.0), strict=True):
        with fits.open(tmp_path / name, mode="update") as hdus:
            hdus[0].header["EXPTIME"] *= factor
            for hdu in hdus[1:]:
                if hdu.name in ("SCI", "ERR"):
                    hdu.data = hdu.data * np.float32(factor)
    found.append(rates(tmp_path, names))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6, atol=1e-9)
    assert found[0].max() == pytest.approx(0.5, abs=0.2)


def rates(folder: Path, names: list[str]) -> np.ndarray:
    exposures = [read_exposure(folder / name) for name in names]
    choices = {method: SkyChoice(method) for method in METHODS}
    found = find_skies(folder, exposures, choices, pars.resolve({}))
    table = mdrizsky_table(
        {method: with_seconds(sky.values, exposures) for method, sky in found.items()},
        header_unit(exposures),
    )
    return np.array([skies(table)[method] for method in METHODS])
