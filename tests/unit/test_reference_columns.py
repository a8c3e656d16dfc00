"""Catalogues of users: names and units of columns, formats of files, and rows that are no stars."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time

from skymosaic.align.reference import COLUMNS, reference_of
from skymosaic.align.reference_columns import NAMES, read_columns
from skymosaic.align.reference_files import (
    format_of,
    read_reference,
    read_table,
    write_reference,
)
from skymosaic.archive.gaia.answers import read_answer
from skymosaic.errors import InputError

GAIA = {
    "ra": ([83.5, 83.6], u.deg),
    "dec": ([-2.4, -2.5], u.deg),
    "ra_error": ([0.1, 0.2], u.mas),
    "dec_error": ([0.3, 0.4], u.mas),
    "pmra": ([5.0, -6.0], u.mas / u.yr),
    "pmdec": ([7.0, -8.0], u.mas / u.yr),
    "ref_epoch": ([2016.0, 2016.0], u.yr),
    "phot_g_mean_mag": ([15.0, 20.0], u.mag),
}


def gaia() -> Table:
    table = Table({name: values for name, (values, _) in GAIA.items()})
    for name, (_, unit) in GAIA.items():
        table[name].unit = unit
    return table


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.fits", "fits"), ("a.vot", "votable"), ("A.XML", "votable"), ("a.ecsv", "ascii.ecsv"),
        ("a.csv", "ascii.csv"), ("a.tsv", "ascii.tab"), ("a.txt", "ascii.commented_header"),
    ],
)  # fmt: skip
def test_every_format_gives_the_same_stars(name, kind, tmp_path) -> None:
    path = tmp_path / name
    gaia().write(path, format=kind)
    read = read_columns(read_table(path, name), "mine", name)
    stars = read.reference
    assert stars.ra.tolist() == [83.5, 83.6]
    assert stars.pmdec.tolist() == [7.0, -8.0]
    assert stars.epoch.tolist() == [2016.0, 2016.0]
    assert stars.mag.tolist() == [15.0, 20.0]
    assert np.isnan(stars.parallax).all()
    # Of an object in a bucket there is a file and no path.
    again = read_columns(read_table(io.BytesIO(path.read_bytes()), name), "mine", name)
    assert again.reference.dec.tolist() == stars.dec.tolist()


def test_units_are_those_of_the_table() -> None:
    table = Table({"RAJ2000": [1.5], "DEJ2000": [0.1], "e_RAJ2000": [0.01], "e_DEJ2000": [1e-7]})
    for name, unit in zip(table.colnames, ["hourangle", "rad", "arcsec", "deg"], strict=True):
        table[name].unit = unit
    stars = read_columns(table, "x", "x.fits").reference
    assert stars.ra[0] == pytest.approx(22.5)
    assert stars.dec[0] == pytest.approx(np.degrees(0.1))
    assert stars.ra_error[0] == pytest.approx(10.0)
    assert stars.dec_error[0] == pytest.approx(0.36)


def test_motions_in_arcsec_a_year_are_read_as_such() -> None:
    table = gaia()
    for name in ("pmra", "pmdec"):
        table[name] = table[name].to(u.arcsec / u.yr)
    assert read_columns(table, "x", "x").reference.pmra == pytest.approx([5.0, -6.0])


def test_a_unit_of_another_kind_is_refused() -> None:
    table = gaia()
    table["ra"].unit = "km"
    with pytest.raises(InputError, match=r"stars\.fits: the unit of the column for ra is 'km'"):
        read_columns(table, "x", "stars.fits")


def test_quantities_and_times_are_read() -> None:
    table = QTable(gaia())
    table["ref_epoch"] = Time([2015.5, 2015.5], format="jyear")
    stars = read_columns(table, "x", "x").reference
    assert stars.ra.tolist() == [83.5, 83.6]
    assert stars.epoch == pytest.approx([2015.5, 2015.5])


def test_sexagesimal_text_is_hours_and_degrees() -> None:
    table = Table(
        {"RA": ["05:40:59.1", "05h40m59.1s", "85.24625"], "Dec": ["-02:27:30", "-2d27m30s", "-2.5"]}
    )
    stars = read_columns(table, "x", "x").reference
    assert stars.ra == pytest.approx([85.24625] * 3)
    assert stars.dec == pytest.approx([-2.4583333333, -2.4583333333, -2.5])


def test_rows_that_cannot_be_read_are_named() -> None:
    table = Table({"ra": ["1", "x1", "2"], "dec": ["1", "2", "3"]})
    with pytest.raises(InputError, match=r"1 row of column ra cannot be ra: row 2: x1 \(rows"):
        read_columns(table, "x", "x.txt")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("dec", -91.0, r"column dec cannot be dec: row 2: -91"),
        ("ra", 1000.0, r"row 2: 1000"),
        ("ref_epoch", 57000.0, r"column ref_epoch cannot be epoch: row 2: 57000"),
        ("ra_error", -1.0, r"row 2: -1"),
        ("dec", np.nan, r"row 2: nan"),
    ],
)
def test_values_that_cannot_be_are_named_with_their_row(column, value, message) -> None:
    table = gaia()
    table[column][1] = value
    with pytest.raises(InputError, match=message):
        read_columns(table, "x", "x.fits")


def test_rows_without_a_position_are_left_out_and_counted() -> None:
    table = gaia()
    for name in ("ra", "dec"):
        table[name] = MaskedColumn(table[name], mask=[True, False])
    read = read_columns(table, "x", "x")
    assert (len(read.reference), read.left_out) == (1, 1)
    assert read.reference.ra.tolist() == [83.6]


def test_masked_motions_are_unknown() -> None:
    table = gaia()
    for name in ("pmra", "pmdec"):
        table[name] = MaskedColumn(table[name], mask=[False, True])
    assert read_columns(table, "x", "x").reference.has_motion.tolist() == [True, False]


def test_an_error_of_zero_is_unknown() -> None:
    table = gaia()
    table["ra_error"][0] = 0.0
    assert np.isnan(read_columns(table, "x", "x").reference.ra_error).tolist() == [True, False]


def test_columns_can_be_named() -> None:
    table = Table({"lon": [1.0], "lat": [2.0], "ra": [3.0], "dec": [4.0]})
    read = read_columns(table, "x", "x", {"ra": "lon", "dec": "LAT"})
    assert (read.reference.ra[0], read.reference.dec[0]) == (1.0, 2.0)
    assert read.columns["dec"] == "lat"


def test_a_column_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(InputError, match=r"no column 'lon' .*columns\.ra\); there are ra, dec"):
        read_columns(gaia(), "x", "x", {"ra": "lon"})
    with pytest.raises(InputError, match=r"no column is known as dec: name it"):
        read_columns(Table({"ra": [1.0], "b": [2.0]}), "x", "x")


def test_motions_need_an_epoch() -> None:
    table = gaia()
    table.remove_column("ref_epoch")
    with pytest.raises(InputError, match=r"no epoch of their positions"):
        read_columns(table, "x", "x")
    assert read_columns(table, "x", "x", epoch=2015.0).reference.epoch.tolist() == [2015.0, 2015.0]


def test_half_a_motion_is_none() -> None:
    table = gaia()
    table.remove_column("pmdec")
    assert not read_columns(table, "x", "x").reference.has_motion.any()
    with pytest.raises(InputError, match=r"columns\.pmra needs pmdec beside it"):
        read_columns(table, "x", "x", {"pmra": "pmra"})


def test_text_without_names_has_numbered_columns(tmp_path) -> None:
    path = tmp_path / "refcat.cat"
    path.write_text("83.5 -2.4 100\n83.6 -2.5 200\n")
    read = read_columns(read_table(path, "refcat.cat"), "x", "x", {"ra": "col1", "dec": "col2"})
    assert read.reference.ra.tolist() == [83.5, 83.6]


@pytest.mark.parametrize(("name", "content"), [
    ("a.fits", b"no FITS"), ("a.vot", b"<VOTABLE>"), ("a.ecsv", b"a,b\n1,2\n"),
    ("a.csv", b"ra,dec\n1,2,3\n"), ("a.txt", b"\xff\xfe"),
])  # fmt: skip
def test_files_that_are_not_what_they_say_are_named(name, content, tmp_path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name} cannot be read as"):
        read_table(tmp_path / name, name)


def test_a_name_must_tell_the_format() -> None:
    with pytest.raises(InputError, match=r"the name of stars does not tell what it is"):
        format_of("stars")
    assert format_of("x.FITS.gz") == "fits"


def test_an_empty_catalogue_is_refused(tmp_path) -> None:
    (tmp_path / "a.csv").write_text("ra,dec\n")
    with pytest.raises(InputError, match=r"a\.csv has no rows"):
        read_table(tmp_path / "a.csv", "a.csv")


def test_what_is_fetched_is_read_back_to_a_microarcsecond(tmp_path) -> None:
    stars = reference_of(
        "GAIA DR3", ra=[85.123456789012, 0.0], dec=[-2.4, 89.9], epoch=2016.0,
        pmra=[1.23456789, np.nan], pmdec=0.0, mag=[np.nan, 20.5],
    )  # fmt: skip
    write_reference(tmp_path / "r.ecsv", stars, {"query": "SELECT", "limits": (1, None)})
    again = read_reference(tmp_path / "r.ecsv")
    assert again.name == "GAIA DR3"
    for name in COLUMNS:
        np.testing.assert_allclose(getattr(again, name), getattr(stars, name), rtol=3e-7)
    assert again.ra[0] == pytest.approx(stars.ra[0], abs=1e-12)
    meta = Table.read(tmp_path / "r.ecsv", format="ascii.ecsv").meta
    assert (meta["count"], meta["query"], meta["limits"]) == (2, "SELECT", [1, None])


def test_every_column_of_a_reference_has_usual_names() -> None:
    assert set(NAMES) == set(COLUMNS)
    for names in NAMES.values():
        assert all(name == name.lower() for name in names)


@pytest.mark.parametrize("name", ["a.vot", "a.vot.gz"])
@pytest.mark.parametrize("hidden", [False, True])
def test_a_votable_does_not_make_us_open_other_files(name, hidden, tmp_path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(np.arange(16.0).astype(">f8").tobytes())
    stream = f'<STREAM href="file://{secret}"/>'
    entity = stream.replace("<", "&#60;").replace("href", "&#104;ref").replace('"', "&#34;")
    head = f"<!DOCTYPE VOTABLE [<!ENTITY e '{entity}'>]>" if hidden else ""
    text = (
        f'{head}<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE>'
        '<TABLE><FIELD name="ra" datatype="double"/><FIELD name="dec" datatype="double"/><DATA>'
        f"<BINARY>{'&e;' if hidden else stream}</BINARY></DATA></TABLE></RESOURCE></VOTABLE>"
    ).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    with pytest.raises(InputError, match="its data are elsewhere"):
        read_table(path, name)
    with pytest.raises(ValueError, match="its data are elsewhere"):
        read_answer(path)


def test_a_column_with_several_numbers_in_a_row_is_named() -> None:
    table = Table({"ra": np.ones((3, 2)), "dec": np.ones(3)})
    with pytest.raises(InputError, match="column ra has 2 values in each row"):
        read_columns(table, "mine", "a.fits")


@pytest.mark.parametrize(
    ("column", "value"),
    [("parallax", np.inf), ("parallax", 1e300), ("pmra", np.inf), ("pmdec", -3e4)],
)
def test_motions_that_no_star_has_are_refused(column, value) -> None:
    table = gaia()
    table["parallax"] = [1.0, 2.0]
    table[column][1] = value
    with pytest.raises(InputError, match=f"1 row of column {column} cannot be {column}: row 2"):
        read_columns(table, "mine", "a.fits")


def test_what_stands_for_no_magnitude_or_error_is_unknown() -> None:
    table = gaia()
    table["phot_g_mean_mag"] = [-np.inf, 99.0]
    table["ra_error"] = [np.inf, 0.2]
    stars = read_columns(table, "mine", "a.fits").reference
    assert np.isnan(stars.mag).all()
    assert np.isnan(stars.ra_error[0])
    assert stars.ra_error[1] == 0.2


@pytest.mark.parametrize("name", ["a.csv", "a.txt"])
def test_a_byte_order_mark_is_no_part_of_a_name(name, tmp_path) -> None:
    comma = "," if name == "a.csv" else " "
    (tmp_path / name).write_text(f"\ufeffra{comma}dec\n10{comma}20\n", encoding="utf-8")
    stars = read_columns(read_table(tmp_path / name, name), "mine", name).reference
    assert stars.ra.tolist() == [10.0]
