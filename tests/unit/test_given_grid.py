"""`drizzle.grid`: its forms, what an image tells of a grid, and what is refused by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic.config import Campaign, load_campaign, load_campaign_text, resolved_yaml
from skymosaic.drizzle.expected import of_campaign
from skymosaic.drizzle.grid import Grid, off_grid
from skymosaic.drizzle.reference_image import Reference, read_reference
from skymosaic.drizzle.request import Request
from skymosaic.errors import CampaignError, InputError, UnreachableError
from skymosaic.hst.reading import read_exposure
from skymosaic.pipeline.admission import require_possible
from skymosaic.pipeline.comparison import result_settings
from skymosaic.pipeline.given_grid import reference_of
from skymosaic.pipeline.sentences.grid import grid_lines
from skymosaic.pipeline.sentences.sizes import size_lines
from skymosaic.sky.square_pixels import scale_and_rotation
from tests.conftest import skymosaic, write_campaign
from tests.unit.small_fits import wcs_keywords, write_exposure

STEP = 0.1 / 3600
SQUARE = [[-STEP, 0.0], [0.0, STEP]]
MATRIX = {"crval": [85.0, -2.5], "crpix": [10.5, 5.5], "cd": SQUARE, "shape": [20, 10]}
AROUND = {"ra": 85.0, "dec": -2.5, "columns": 20, "rows": 10}


def load(folder: Path, **drizzle: Any) -> Campaign:
    source = {"kind": "directory", "path": "data"}
    return load_campaign(write_campaign(folder / "field.yaml", source=source, drizzle=drizzle))


def header(**changes: Any) -> fits.Header:
    """Return the WCS of a mosaic; what is None is left out."""
    keywords = {**wcs_keywords(), "RADESYS": "ICRS", **changes}
    return fits.Header({key: value for key, value in keywords.items() if value is not None})


def image(path: Path, *, shape: tuple[int, ...] = (12, 20), **changes: Any) -> Path:
    fits.writeto(path, np.zeros(shape, np.float32), header(**changes))
    return path


@pytest.mark.parametrize("angle", [0.0, 22.0, 90.0, -137.5, 180.0])
def test_scale_and_rotation_of_a_matrix(angle: float) -> None:
    grid = Grid((85.0, -2.5), (1.0, 1.0), 0.04, angle, (100, 100))
    keys = grid.header_keywords()
    cd = [[keys["CD1_1"], keys["CD1_2"]], [keys["CD2_1"], keys["CD2_2"]]]
    scale, rotation = scale_and_rotation(cd, 20_000)
    assert scale == pytest.approx(0.04, rel=1e-13)
    assert (rotation - angle + 180) % 360 - 180 == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("cd", "said"),
    [
        ([[STEP, 0.0], [0.0, STEP]], "the parity is flipped"),
        ([[-STEP, 0.0], [0.0, 1.001 * STEP]], "the pixels are not square (0.1 x 0.1001 arcsec)"),
        ([[-STEP, 0.01 * STEP], [0.01 * STEP, -STEP]], "the parity is flipped"),
        ([[-STEP, 0.001 * STEP], [0.0, STEP]], "the axes are skewed"),
        ([[0.0, 0.0], [0.0, 0.0]], "that of no image"),
        ([[float("nan"), 0.0], [0.0, STEP]], "that of no image"),
    ],
)
def test_other_matrices_are_refused_by_name(cd: list[list[float]], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        scale_and_rotation(cd, 1000)


def test_a_large_image_must_be_squarer_than_a_small_one() -> None:
    nearly = [[-STEP, 0.0], [0.0, STEP * (1 + 1e-6)]]
    assert scale_and_rotation(nearly, 100)[0] == pytest.approx(0.1, rel=1e-6)
    with pytest.raises(ValueError, match="not square"):
        scale_and_rotation(nearly, 20_000)


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ("shared", "drizzle.grid: must be auto, or a mapping such as {like: FILE}, not 'shared'"),
        ({"lik": "x"}, "drizzle.grid: must have the keys of one form of grid: like; ra, dec"),
        ({"like": "x", "ra": 1.0}, "drizzle.grid.ra: unknown key"),
        ({"like": ""}, "drizzle.grid.like: is empty: name a file or campaign"),
        ({**AROUND, "ra": 361}, "drizzle.grid.ra: must be less than 360"),
        ({**AROUND, "ra": "5h"}, "drizzle.grid.ra: must be a finite number, in degrees, not '5h'"),
        ({"ra": 1, "dec": 2, "columns": 3}, "drizzle.grid.rows: is missing: Rows of the mosaic"),
        ({**AROUND, "colums": 3}, "drizzle.grid.colums: unknown key, did you mean columns?"),
        ({**MATRIX, "cd": [[STEP, 0], [0, STEP]]}, "cd: the parity is flipped"),
        ({**AROUND, "columns": 100_000, "rows": 100_000}, "more than max_output_megapixels = 500"),
        ({**MATRIX, "shape": [1, 2, 3]}, "drizzle.grid.shape: must have 2 values, not [1, 2, 3]"),
        ({"skycell": "skycell-p0000x00y01"}, "is no sky cell: a name looks like"),
        ({"skycell": "skycell-p1253x06y09", "scale": 0.1}, "drizzle.grid.scale: must be fine or"),
    ],
)
def test_a_wrong_form_is_refused_with_its_line(tmp_path: Path, grid: Any, said: str) -> None:
    with pytest.raises(CampaignError) as caught:
        load(tmp_path, grid=grid)
    assert said in str(caught.value)
    assert "field.yaml line " in str(caught.value)


@pytest.mark.parametrize(
    ("grid", "parameters", "said"),
    [
        ("auto", {"final_ra": 1.0}, "parameters.final_ra needs final_dec beside it"),
        ("auto", {"final_crpix2": 1.0}, "parameters.final_crpix2 needs final_crpix1 beside it"),
        ("auto", {"final_outnx": 1, "final_outny": 0}, "must be at least 1"),
        (AROUND, {"final_ra": 85.0, "final_dec": -2.5}, "leave final_ra and final_dec out"),
        ({"like": "x"}, {"final_refimage": "x"}, "grid and parameters.final_refimage both place"),
        ({"like": "x"}, {"final_rot": 0.0}, "parameters.final_rot is 0.0, but grid tells it"),
        ({**AROUND, "scale": 0.1}, {"final_scale": 0.2}, "is 0.2, but grid.scale is 0.1"),
    ],
)
def test_astrodrizzles_names_that_contradict_are_refused(
    tmp_path: Path, grid: Any, parameters: dict[str, Any], said: str
) -> None:
    with pytest.raises(CampaignError) as caught:
        load(tmp_path, grid=grid, parameters=parameters)
    assert said in str(caught.value)


def test_what_the_forms_ask_of_drizzlepac(tmp_path: Path) -> None:
    def choice(**drizzle: Any) -> dict[str, Any]:
        return dict(Request.of(load(tmp_path, **drizzle)).grid.choice)

    assert choice() == {"rot": 0.0}
    around = {"ra": 85.0, "dec": -2.5, "outnx": 20, "outny": 10}
    assert choice(grid=AROUND) == {**around, "rot": 0.0}
    both = {"final_rot": 20.0, "final_scale": 0.05}
    assert choice(grid=AROUND, parameters=both) == {**around, "rot": 20.0, "scale": 0.05}
    assert choice(grid={**AROUND, "rotation": 30.0}) == {**around, "rot": 30.0}
    numbers = {"final_ra": 85.0, "final_dec": -2.5, "final_outnx": 20, "final_outny": 10}
    assert choice(parameters=numbers) == {**around, "rot": 0.0}
    # An image tells the angle of its pixels: no default of this project turns it.
    assert choice(parameters={"final_refimage": "x.fits"}) == {}
    assert choice(parameters={"final_refimage": "x.fits", "final_rot": 3.0}) == {"rot": 3.0}
    request = Request.of(load(tmp_path, parameters={**numbers, "final_pixfrac": 0.8}))
    assert request.given == {"final_pixfrac": 0.8}  # each call gets the grid from the plan


def test_a_grid_at_the_pole_is_where_its_header_says(tmp_path: Path) -> None:
    """At Dec 90 a header without LONPOLE stands for a plane turned by 180 degrees."""
    numbers = {"final_ra": 30.0, "final_dec": 90.0, "final_outnx": 20, "final_outny": 10}
    for drizzle in ({"grid": {**AROUND, "dec": 90.0}}, {"parameters": numbers}):
        choice = Request.of(load(tmp_path, **drizzle)).grid.choice
        assert 90.0 - 1e-11 < choice["dec"] < 90.0
    file = image(tmp_path / "pole.fits", CRVAL1=30.0, CRVAL2=90.0, LONPOLE=180.0)
    corners = np.array([[1.0, 1.0], [20.0, 1.0], [20.0, 12.0], [1.0, 12.0]])
    expected = WCS(fits.getheader(file)).wcs_pix2world(corners, 1)
    grid = read_reference(file, "pole.fits").grid
    assert "LONPOLE" not in grid.header_keywords()
    for found in (grid.wcs().wcs_pix2world(corners, 1), grid.pixels.to_sky(corners)):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    plain = image(tmp_path / "plain.fits", CRVAL1=30.0, CRVAL2=90.0)
    with pytest.raises(InputError, match="LONPOLE is 0, not 180"):
        read_reference(plain, "plain.fits")
    with pytest.raises(CampaignError, match=r"crval: Dec 90 is the pole.* give 89\.99"):
        load(tmp_path, grid={**MATRIX, "crval": [30.0, 90.0]})


def test_what_was_made_before_there_were_grids_stays_good(tmp_path: Path) -> None:
    """Settings of a comparison, and so its key, are those of files without the key."""
    assert "grid" not in result_settings(load(tmp_path))["drizzle"]
    assert result_settings(load(tmp_path, grid=AROUND))["drizzle"]["grid"]["columns"] == 20


def test_a_resolved_file_gives_the_same_grid(tmp_path: Path) -> None:
    for grid in ("auto", {"like": "a.fits[sci,1]"}, AROUND, MATRIX, {"like": "s3://bucket/a"}):
        campaign = load(tmp_path, grid=grid)
        assert load_campaign_text(resolved_yaml(campaign), "again", {}) == campaign
    like = load(tmp_path, grid={"like": "../a.fits[sci,1]"}).drizzle.grid
    assert like.like == str(tmp_path.parent / "a.fits[sci,1]")  # relative to the campaign file


def test_the_image_that_is_taken(tmp_path: Path) -> None:
    other, science = header(CRPIX1=1.0), header(CRPIX1=2.0)
    pixels = np.zeros((12, 20), np.float32)
    file = tmp_path / "several.fits"
    fits.HDUList(
        [
            fits.PrimaryHDU(),
            fits.ImageHDU(pixels, other, name="WHT"),
            fits.ImageHDU(pixels, science, name="SCI"),
        ]
    ).writeto(file)
    for extension, label, x in (
        ("", "SCI,1", 2.0),
        ("1", "WHT,1", 1.0),
        ("wht", "WHT,1", 1.0),
        ("sci,1", "SCI,1", 2.0),
    ):
        found = read_reference(file, "several.fits", extension)
        assert (found.name, found.grid.crpix[0]) == (f"several.fits[{label}]", x)
        assert found.grid.shape == (20, 12)
    with pytest.raises(InputError, match=r"has no extension err: it has 0, WHT,1, SCI,1"):
        read_reference(file, "several.fits", "err")
    packed = tmp_path / "packed.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, science)]).writeto(packed)
    assert read_reference(packed, "packed.fits").grid == found.grid


def test_pc_and_cdelt_are_a_cd_matrix(tmp_path: Path) -> None:
    gone = dict.fromkeys(("CD1_1", "CD1_2", "CD2_1", "CD2_2"))
    cos, sin = np.cos(np.radians(20.0)), np.sin(np.radians(20.0))
    pc = {"PC1_1": cos, "PC1_2": -sin, "PC2_1": sin, "PC2_2": cos}
    file = image(tmp_path / "pc.fits", **gone, **pc, CDELT1=-STEP, CDELT2=STEP)
    grid = read_reference(file, "pc.fits").grid
    assert grid.scale == pytest.approx(0.1, rel=1e-12)
    assert grid.rot == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP"}, "has distortion (RA---TAN-SIP)"),
        ({"A_ORDER": 3}, "has distortion (A_ORDER)"),
        ({"CPDIS1": "LOOKUP"}, "has distortion (CPDIS1)"),
        ({"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN"}, "CTYPE is RA---SIN and DEC--SIN"),
        ({"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}, "CTYPE is GLON-TAN and GLAT-TAN"),
        ({"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN"}, "CTYPE is DEC--TAN and RA---TAN"),
        ({"RADESYS": "FK4"}, "RADESYS is FK4"),
        ({"LONPOLE": 90.0}, "LONPOLE is 90, not 180"),
        ({"CD1_1": STEP}, "the parity is flipped"),
        ({"CD1_1": -2 * STEP}, "the pixels are not square"),
        ({"CD1_2": 0.1 * STEP}, "the axes are skewed"),
        ({"CRVAL1": None}, "has no WCS (no extension has CRVAL1)"),
        ({"CRVAL2": None}, "has no CRVAL2"),
        ({"CRPIX1": None}, "has no CRPIX1"),
        ({"CRVAL1": "05:40:59"}, "CRVAL1 is 05:40:59, not a number"),
        ({"CD1_1": True}, "CD1_1 is True, not a number"),
        (dict.fromkeys(("CD1_1", "CD1_2", "CD2_1", "CD2_2")), "has no CD matrix"),
        ({"CD1_1": 0.0, "CD2_2": 0.0}, "its WCS cannot be read (Linear transformation matrix"),
        ({"CD1_1": -0.1, "CD2_2": 0.1}, "the pixels would have 360 arcsec"),
        ({"CD1_1": -1e-9, "CD2_2": 1e-9}, "the pixels would have 3.6e-06 arcsec"),
        ({"RADESYS": None, "EQUINOX": 1950.0}, "RADESYS is FK4"),
        ({"RADESYS": "FK5", "EQUINOX": 1975.0}, "EQUINOX is 1975, not 2000"),
        ({"PV1_2": 89.0}, "has PV1_2, and a plain tangent plane is wanted"),
    ],
)
def test_what_no_engine_makes_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    square = {"CD1_1": -STEP, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": STEP}
    file = image(tmp_path / "odd.fits", **{**square, **changes})
    with pytest.raises(InputError) as caught:
        read_reference(file, "odd.fits")
    assert "odd.fits" in str(caught.value)
    assert said in str(caught.value)
    assert "give drizzle.grid the numbers: ra, dec, scale" in str(caught.value)


@pytest.mark.parametrize("value", [b"NaN", b"1E400", b"INF"])
@pytest.mark.parametrize("key", ["CRVAL1", "CRPIX2", "CD2_2"])
def test_a_number_that_is_none_is_not_read_as_zero(tmp_path: Path, key: str, value: bytes) -> None:
    """Wcslib takes 0 for what it cannot read, without a word."""
    file = image(tmp_path / "odd.fits", **{key: 1.25})
    card = f"{key:8}= {1.25:20}".encode()
    assert card in file.read_bytes()
    odd = f"{key:8}= ".encode() + value.rjust(20)
    file.write_bytes(file.read_bytes().replace(card, odd))
    with pytest.raises(InputError, match=rf"odd\.fits\[0\]: {key} is .*, not a number"):
        read_reference(file, "odd.fits")


def test_other_files_are_refused_by_name(tmp_path: Path) -> None:
    text = tmp_path / "text.fits"
    text.write_text("no FITS")
    with pytest.raises(InputError, match=r"text\.fits cannot be read as a FITS image"):
        read_reference(text, str(text))
    columns = [fits.Column("flux", "E", array=np.ones(3))]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, header())]).writeto(
        tmp_path / "table.fits"
    )
    for extension, what in (("", "has no WCS"), ("1", "is a table, and no image")):
        with pytest.raises(InputError, match=what):
            read_reference(tmp_path / "table.fits", "table.fits", extension)
    cube = image(tmp_path / "cube.fits", shape=(3, 12, 20))
    with pytest.raises(InputError, match=r"cube\.fits\[0\] has NAXIS = 3"):
        read_reference(cube, "cube.fits")


def test_a_name_that_leads_nowhere_is_refused_before_anything_runs(tmp_path: Path) -> None:
    said = r"is no file, and no campaign that has planned.*, STORE/PROGRAM/GROUP$"
    with pytest.raises(CampaignError, match=said):
        require_possible(load(tmp_path, grid={"like": "store/other"}))
    with pytest.raises(CampaignError, match=r"final_refimage: there is no file .*x\.fits"):
        require_possible(load(tmp_path, parameters={"final_refimage": "x.fits"}))
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("like", "groups"),
    [
        ("store/field", None),
        ("file:store/field/", None),
        ("store/field/HORSEHEAD/F160W", {"by": ["target", "filter"]}),
        ("store/field/12812/HORSEHEAD/F160W", {}),
    ],
)
@pytest.mark.parametrize("exists", [False, True])
def test_a_campaign_like_itself_is_refused(
    tmp_path: Path, like: str, groups: dict[str, Any] | None, exists: bool
) -> None:
    """Two groups like each other would change places with each run."""
    if exists:
        (tmp_path / "store" / "field" / "manifests").mkdir(parents=True)
    file = write_campaign(
        tmp_path / "field.yaml",
        source={"kind": "directory", "path": "data"},
        drizzle={"grid": {"like": like}},
        store={"uri": "store"},
        **({} if groups is None else {"groups": groups}),
    )
    with pytest.raises(CampaignError, match=r"like: .*/field.* is this campaign, or a group of it"):
        require_possible(load_campaign(file))
    elsewhere = load_campaign(file, {"store.uri": str(tmp_path / "other")})
    with pytest.raises(CampaignError, match=r"no campaign that has planned its mosaic"):
        require_possible(elsewhere)


def test_a_file_goes_before_a_campaign(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    image(tmp_path / "store" / "other", CRPIX1=7.0)
    found = reference_of(load(tmp_path, grid={"like": "store/other"}))
    assert isinstance(found, Reference)
    assert found.name == f"{tmp_path}/store/other[0]"
    assert len(found.sha256) == 64


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], str]]:
    """Put a file into a bucket of moto's server, and return the server's address."""
    import boto3
    from moto.server import ThreadedMotoServer

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()

    def put(path: Path) -> str:
        address = f"http://{host}:{port}"
        s3 = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
        s3.create_bucket(Bucket="images")
        s3.upload_file(str(path), "images", "deep/mosaic.fits")
        return address

    yield put
    server.stop()


def test_an_image_in_a_bucket(tmp_path: Path, bucket: Callable[[Path], str]) -> None:
    large = image(tmp_path / "large.fits", shape=(1200, 1000))
    address = bucket(large)

    def reference(name: str) -> Reference | None:
        file = write_campaign(
            tmp_path / "field.yaml",
            source={"kind": "directory", "path": "data"},
            store={"uri": "s3://images/store", "endpoint_url": address, "region": "us-east-1"},
            drizzle={"grid": {"like": name}},
        )
        return reference_of(load_campaign(file))

    found = reference("s3://images/deep/mosaic.fits")
    assert found is not None
    assert found.name == "s3://images/deep/mosaic.fits[0]"
    assert found.grid == read_reference(large, "large.fits").grid
    with pytest.raises(CampaignError, match=r"s3://images/deep/none is no file, and no campaign"):
        reference("s3://images/deep/none")


def test_check_and_prepare_tell_the_grid_and_the_memory(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    image(tmp_path / "theirs.fits", shape=(3000, 2000))
    for name in ("a_flt.fits", "b_flt.fits"):
        write_exposure(tmp_path / "data" / name)
    file = tmp_path / "field.yaml"
    grid, where, memory = size_lines(load(tmp_path, grid={"like": "theirs.fits"}))
    assert grid == f"grid: like {tmp_path / 'theirs.fits'}[0]"
    assert "0.13 arcsec a pixel, rotation 0 degrees; 2000 x 3000 pixels" in where
    assert "a mosaic has 24 MB" in where
    assert memory.startswith("memory: ")
    assert memory.endswith("; a mosaic of 2000 x 3000 pixels)")
    shown = skymosaic("check", file)
    assert shown.code == 0, shown.err
    # The grid has an angle of its own: no default of another is shown beside.
    assert "final_rot" not in shown.out
    shown_lines = " ".join(line.removeprefix("#").strip() for line in shown.out.splitlines())
    assert "2000 x 3000 pixels: a mosaic has 24 MB, and its weights as much memory: " in shown_lines
    prepared = skymosaic("prepare", file)
    assert prepared.code == 0, prepared.err
    assert grid in prepared.out
    assert where in prepared.out


def test_what_is_told_of_the_other_forms(tmp_path: Path) -> None:
    assert grid_lines(load(tmp_path)) == [
        "grid: auto, the smallest that holds all exposures; plan computes it once they are there "
        "(rotation 0 degrees)"
    ]
    for sharing, said in (
        ("own", "grid: auto, for each group the smallest"),
        ("shared", "grid: shared by the groups of a target (groups.grid): that of the first group"),
    ):
        source = {"kind": "directory", "path": "data"}
        file = write_campaign(tmp_path / "p.yaml", source=source, groups={"grid": sharing})
        (line,) = grid_lines(load_campaign(file))
        assert line.startswith(said)
    around = grid_lines(load(tmp_path, grid={**AROUND, "scale": 0.05}))
    assert "RA 85.000000, Dec -2.500000, 0.05 arcsec a pixel, rotation 0 degrees" in around[0]
    assert "20 x 10 pixels" in around[1]
    cell = {"skycell": "skycell-p1253x06y09"}
    assert grid_lines(load(tmp_path, grid=cell))[1].endswith("as MAST has it for the detector")
    fine = grid_lines(load(tmp_path, grid={**cell, "scale": "fine"}))
    assert "0.04 arcsec a pixel" in fine[1]
    work = of_campaign(load(tmp_path, grid={**cell, "scale": "coarse", "crop": False})).work
    assert work.output_pixels == 7318**2


def test_exposures_off_the_grid(tmp_path: Path) -> None:
    """Across RA 0, and around a pole."""
    for ra, dec in ((0.0, 10.0), (120.0, 89.999)):
        names = {"near": (0.0, 0.0), "edge": (1.0, 0.0), "far": (3.0, 0.0)}
        exposures = []
        for name, (east, north) in names.items():
            place = (ra - east / 3600 / np.cos(np.radians(dec))) % 360, dec + north / 3600
            path = tmp_path / f"{name}_flt.fits"
            path.unlink(missing_ok=True)
            exposures.append(read_exposure(write_exposure(path, wcs=wcs_keywords(*place))))
        # Exposures of 2.08 arcsec; the grid has its edge half an arcsec from the middle.
        grid = Grid((ra, dec), (5.5, 5.5), 0.1, 0.0, (10, 10))
        assert off_grid(exposures, grid) == ["far_flt.fits"]
        with pytest.raises(InputError, match=r"the nearest of 1, far_flt\.fits, is 0\.0 arcmin"):
            off_grid(exposures[2:], grid)


def test_a_server_that_is_away_is_no_missing_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    file = write_campaign(
        tmp_path / "field.yaml",
        source={"kind": "directory", "path": "data"},
        store={"uri": "s3://images/store", "endpoint_url": "http://127.0.0.1:9", "patience": 0.1},
        drizzle={"grid": {"like": "s3://images/mosaic.fits"}},
    )
    with pytest.raises(UnreachableError):
        reference_of(load_campaign(file))
