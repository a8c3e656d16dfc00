"""What AstroDrizzle subtracted: three records that must agree, or the run fails by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from skymosaic.drizzle.astrodrizzle import forget_sky
from skymosaic.drizzle.sky_record import read_sky, same_sky
from skymosaic.errors import SkyError
from skymosaic.hst.reading import read_exposure
from tests.unit.small_fits import write_exposure


class Run:
    """The files that an AstroDrizzle run leaves, made by hand."""

    def __init__(self, folder: Path, sky: dict[str, list[float | None]], unit: str) -> None:
        self.folder = folder
        self.exposures = []
        self.rows: list[tuple[str, int, float]] = []
        self.lines = ["AstroDrizzle Version 3.11.0"]
        for name, values in sky.items():
            path = write_exposure(
                folder / f"{name}_flt.fits", chips=len(values), science={"BUNIT": unit}
            )
            self.exposures.append(read_exposure(path))
            for version, value in enumerate(values, start=1):
                self.header(name, version, value)
                self.rows.append((name, version, np.nan if value is None else value))
                self.lines += [
                    f"-Drizzle input: {path.name}[sci,{version}]",
                    f"[INFO    ] Applying sky value of {value or 0:0.6f} to "
                    f"{path.name}[sci,{version}]",
                ]
                if value is None:
                    self.undetermined(name)

    def header(self, name: str, version: int, value: float | None) -> None:
        with fits.open(self.folder / f"{name}_flt.fits", mode="update") as hdus:
            if value is None:
                hdus["SCI", version].header.pop("MDRIZSKY", None)
            else:
                hdus["SCI", version].header["MDRIZSKY"] = value

    def undetermined(self, name: str) -> None:
        self.lines.append(
            f"[INFO    ]    *   Image '{name}_flt.fits['SCI',1]' SKY = None (undetermined)"
        )

    def read(self, method: str = "match", log: str | None = None):
        names, versions, values = zip(*self.rows, strict=True)
        table = fits.BinTableHDU.from_columns(
            [
                fits.Column("ROOTNAME", "12A", array=names),
                fits.Column("EXTVER", "K", array=versions),
                fits.Column("MDRIZSKY", "D", array=np.array(values, float)),
            ],
            name="HDRTAB",
        )
        product = self.folder / "out_drz_sci.fits"
        fits.HDUList([fits.PrimaryHDU(np.zeros((2, 2), np.float32)), table]).writeto(
            product, overwrite=True
        )
        text = "\n".join(self.lines) if log is None else log
        found = read_sky(method, self.exposures, self.folder, product, text)
        return {(value.rootname, value.chip): value.mdrizsky for value in found}


@pytest.fixture
def make(tmp_path):
    def make(sky: dict[str, list[float | None]], unit: str = "ELECTRONS/S") -> Run:
        return Run(tmp_path, sky, unit)

    return make


def test_records_that_agree(make) -> None:
    run = make({"ib6o21qmq": [0.0], "ib6o23rsq": [0.41413262]})
    assert run.read() == {("ib6o21qmq", 1): 0.0, ("ib6o23rsq", 1): 0.41413262}


def test_two_chips(make) -> None:
    run = make({"j123": [10.25, 10.5], "j124": [11.0, 12.0]}, unit="ELECTRONS")
    assert run.read() == {
        ("j123", 1): 10.25,
        ("j123", 2): 10.5,
        ("j124", 1): 11.0,
        ("j124", 2): 12.0,
    }


def test_localmin_of_an_exposure_without_a_pixel_is_no_0(make) -> None:
    """skypac writes 0 into all three records, and only says so in its log."""
    run = make({"a": [1.5], "b": [0.0]})
    run.lines += [
        "[INFO    ] *WARNING:* Not enough data points to compute sky for 'b_flt.fits['SCI',1]'.",
        "[INFO    ]    *   Image:   'b_flt.fits['SCI',1]'  --  SKY = None (brightness units)",
    ]
    assert run.read("localmin") == {("a", 1): 1.5, ("b", 1): None}


def test_localmin_of_a_chip_without_a_pixel_is_not_that_of_the_other(make) -> None:
    run = make({"j123": [10.25, 10.25], "j124": [11.0, 11.0]}, unit="ELECTRONS")
    line = "Not enough data points to compute sky for 'j124_flt.fits['SCI',2]'{}."
    run.lines.append(f"*WARNING:* {line.format(' after clipping was applied')}")
    found = run.read("localmin")
    assert found["j124", 2] is None
    assert found["j124", 1] == 11.0 and found["j123", 2] == 10.25
    # Of `match` it says what the lowest sky was sought in, not what was subtracted.
    assert run.read("match")["j124", 2] == 11.0


def test_the_brightness_goes_with_the_value(make, tmp_path) -> None:
    run = make({"a": [140.0]}, unit="ELECTRONS")
    run.read()
    [exposure] = run.exposures
    [value] = read_sky(
        "match", [exposure], tmp_path, tmp_path / "out_drz_sci.fits", "\n".join(run.lines)
    )
    # Counts of an exposure of 700 s, through 0.12825 arcsec pixels.
    assert value.brightness == pytest.approx(140.0 / 700.0 / 0.1282500028610229**2)


def test_the_order_is_that_of_the_exposures(make) -> None:
    run = make({"b": [1.0], "a": [2.0]})
    run.rows.reverse()
    assert list(run.read()) == [("b", 1), ("a", 1)]


SKIES = st.floats(float(np.float32(1e-5)), 1e4, width=32)


def spellings(sky: np.float32) -> tuple[float, float]:
    """Return one sky as a header and as the log of AstroDrizzle tell it."""
    card = fits.Card.fromstring(str(fits.Card("MDRIZSKY", sky)))
    return float(card.value), float(f"{sky:0.6f}")


@given(SKIES)
@settings(max_examples=2000)
def test_one_number_in_two_spellings_is_one(sky: float) -> None:
    header, log = spellings(np.float32(sky))
    assert same_sky(header, log)
    assert same_sky(-header, -log)


@given(SKIES)
def test_a_sky_that_is_off_by_more_than_rounding_is_another(sky: float) -> None:
    header, log = spellings(np.float32(sky))
    off = 2.0 * max(1e-6, float(np.spacing(np.float32(sky))))
    assert not same_sky(header + off, log)
    assert not same_sky(header, log - off)


def test_skies_of_many_electrons(make) -> None:
    """68.47241 in the header is 68.472412 in the log: one float32."""
    run = make({"a": [68.47241]}, unit="ELECTRONS")
    run.lines = [line.replace("68.472410", "68.472412") for line in run.lines]
    assert run.read() == {("a", 1): 68.47241}


def test_rounding_in_the_log_is_no_disagreement(make) -> None:
    assert make({"a": [0.12345678]}).read() == {("a", 1): 0.12345678}


def test_negative_and_large_values(make) -> None:
    assert make({"a": [-0.25], "b": [123456.789]}).read() == {
        ("a", 1): -0.25,
        ("b", 1): 123456.789,
    }


@pytest.mark.parametrize("how", ["log", "HDRTAB"])
def test_a_record_that_disagrees_with_the_header_is_named(make, how) -> None:
    run = make({"a": [0.5], "b": [0.7]})
    if how == "log":
        run.lines = [line.replace("0.700000", "0.710000") for line in run.lines]
    else:
        run.rows[1] = ("b", 1, 0.71)
    with pytest.raises(SkyError, match=rf"'match': MDRIZSKY of b\[SCI,1\] is 0.7 .*{how}"):
        run.read()


def test_a_stale_header_is_found(make) -> None:
    run = make({"a": [0.5]})
    run.header("a", 1, 0.9)
    with pytest.raises(SkyError, match=r"a\[SCI,1\] is 0\.9 in the exposure's header and 0\.5"):
        run.read()


def test_a_header_without_a_value_where_one_was_subtracted(make) -> None:
    run = make({"a": [0.5]})
    run.header("a", 1, None)
    with pytest.raises(SkyError, match=r"a\[SCI,1\] is None in the exposure's header"):
        run.read()


def test_the_second_chip_is_checked_too(make) -> None:
    run = make({"a": [0.5, 0.6]})
    run.rows[1] = ("a", 2, 0.65)
    with pytest.raises(SkyError, match=r"a\[SCI,2\]"):
        run.read()


def test_nan_never_agrees(make) -> None:
    run = make({"a": [0.5]})
    run.lines = [line.replace("0.500000", "nan") for line in run.lines]
    with pytest.raises(SkyError, match=r"a\[SCI,1\]"):
        run.read()


@pytest.mark.parametrize("method", ["match", "globalmin+match"])
def test_a_run_that_fell_back_to_another_method_fails(make, method) -> None:
    run = make({"a": [0.5]})
    run.lines.append('[WARNING ] Reverting sky computation to "localmin" from "match"')
    with pytest.raises(SkyError) as caught:
        run.read(method)
    assert repr(method) in str(caught.value)
    assert "skymosaic doctor" in str(caught.value)


@pytest.mark.parametrize("record", ["log", "HDRTAB"])
def test_an_exposure_that_a_record_does_not_have_is_named(make, record) -> None:
    run = make({"a": [0.5], "b": [0.7]})
    if record == "log":
        run.lines = [line for line in run.lines if "b_flt" not in line]
    else:
        del run.rows[1]
    with pytest.raises(SkyError, match=rf"b\[SCI,1\] is not in the {record}"):
        run.read()


def test_an_empty_log(make) -> None:
    with pytest.raises(SkyError, match=r"a\[SCI,1\] is not in the log"):
        make({"a": [0.5]}).read(log="")


def test_without_overlap_match_determines_nothing(make) -> None:
    run = make({"a": [0.0], "b": [0.4], "alone": [None]})
    assert run.read("match") == {("a", 1): 0.0, ("b", 1): 0.4, ("alone", 1): None}


def test_the_global_minimum_is_no_measure_of_an_exposure_without_overlap(make) -> None:
    """globalmin+match subtracts it from that exposure all the same: header and log have it."""
    run = make({"a": [0.46462], "b": [0.878752], "alone": [0.46462]})
    run.undetermined("alone")
    assert run.read("globalmin+match") == {
        ("a", 1): 0.46462,
        ("b", 1): 0.878752,
        ("alone", 1): None,
    }


def test_upper_case_rootnames_in_hdrtab(make) -> None:
    run = make({"a": [0.5]})
    run.rows = [("A  ", 1, 0.5)]
    assert run.read() == {("a", 1): 0.5}


def test_other_lines_about_sky_are_passed_over(make) -> None:
    run = make({"a": [0.5]})
    run.lines.insert(1, "Applying sky value of 9.000000 to blotted image a_flt.fits[sci,1]")
    run.lines.insert(1, "    *   Image 'a_flt.fits['SCI',1]' SKY = 30.4 [brightness units]")
    assert run.read() == {("a", 1): 0.5}


def test_a_stale_value_is_forgotten_everywhere(tmp_path) -> None:
    path = write_exposure(
        tmp_path / "a_flc.fits", chips=2, primary={"MDRIZSKY": 3.0}, science={"MDRIZSKY": 1.0}
    )
    forget_sky(path)
    with fits.open(path) as hdus:
        assert not any("MDRIZSKY" in hdu.header for hdu in hdus)
        assert hdus["SCI", 2].header["BUNIT"] == "ELECTRONS/S"
