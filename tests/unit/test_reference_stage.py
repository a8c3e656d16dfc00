"""The task that lists the stars which images are aligned to: what it takes, keeps and refuses."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from skymosaic.align.reference_files import FILE, read_reference
from skymosaic.archive.directory import Directory
from skymosaic.config import Campaign, load_campaign_text
from skymosaic.errors import AlignmentError, CampaignError, InputError
from skymosaic.pipeline.align_results import ReferenceResult
from skymosaic.pipeline.given_reference import name_of, require_reference
from skymosaic.pipeline.inspect import inspect
from skymosaic.pipeline.reference import list_reference
from skymosaic.pipeline.results import InspectionResult
from skymosaic.pipeline.retrieve import retrieve
from skymosaic.pipeline.rules import Rules
from skymosaic.pipeline.sentences.reference import listed_line, reference_line
from skymosaic.results.listed_stars import are_current
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import NotFinishedError
from skymosaic.steps.place import Place
from skymosaic.store.local import LocalStore
from tests.frames import Frame, write_frames

PLACE = (85.24, -2.46)


@pytest.fixture(scope="module")
def field(tmp_path_factory) -> tuple[Place, Finished[InspectionResult]]:
    folder = tmp_path_factory.mktemp("field")
    (folder / "data").mkdir()
    write_frames(folder / "data", [Frame(0, 0, pixels=64), Frame(5, 0, pixels=64)])
    place = Place(LocalStore(folder / "store"), "field", folder / "scratch")
    source = Directory(folder / "data")
    retrieved = [retrieve(place, source, Rules(), parcel) for parcel in source.parcels()]
    return place, inspect(place, retrieved, Rules())


def campaign(reference: str, folder: Path) -> Campaign:
    text = (
        "campaign: {name: field}\nsource: {kind: directory, path: data}\n"
        f"store: {{uri: {folder}/store}}\nalign: {{reference: {reference}}}\n"
    )
    return load_campaign_text(text, "field.yaml", {})


def centre(field) -> np.ndarray:
    return np.mean(field[1].result.exposures[0].polygons[0], axis=0)


def catalogue(field, path: Path, offsets: list[float]) -> Path:
    """Write stars that lie so far north of the first exposure, arcsec."""
    ra, dec = centre(field)
    table = Table({"RAJ2000": [ra] * len(offsets), "DEJ2000": dec + np.array(offsets) / 3600})
    table.write(path, format="ascii.csv", overwrite=True)
    return path


def listed(field, reference: str, folder: Path) -> Finished[ReferenceResult]:
    place, inspected = field
    return list_reference(place, campaign(reference, folder), inspected)


def stars(field, done: Finished[ReferenceResult], folder: Path):
    field[0].store.get(done.products[FILE], folder / FILE)
    return read_reference(folder / FILE)


def test_a_catalogue_is_cut_to_the_field_and_kept(field, tmp_path) -> None:
    path = catalogue(field, tmp_path / "mine.csv", [0.0, 3.0, 3600.0])
    reference = f"{{kind: catalog, path: {path}, epoch: 2015.5}}"
    done = listed(field, reference, tmp_path)
    assert (done.result.name, done.result.stars, done.result.moving) == ("mine", 2, 0)
    kept = stars(field, done, tmp_path)
    assert kept.name == "mine"
    assert (kept.dec - centre(field)[1]) * 3600 == pytest.approx([0.0, 3.0])
    assert kept.epoch.tolist() == [2015.5, 2015.5]
    meta = Table.read(tmp_path / FILE, format="ascii.ecsv").meta
    assert (meta["count"], meta["kind"], meta["origin"]) == (2, "catalog", str(path))
    assert listed_line(done.result) == (
        f"reference: mine, 2 stars of {path}, epoch 2015.5; proper motions of 0"
    )


def test_it_is_listed_once_until_the_file_or_the_settings_change(field, tmp_path) -> None:
    path = catalogue(field, tmp_path / "a.csv", [0.0])
    reference = f"{{kind: catalog, path: {path}}}"
    assert not listed(field, reference, tmp_path).reused
    assert listed(field, reference, tmp_path).reused
    # Under another path the same content is the same catalogue, if it is called so.
    (tmp_path / "b").mkdir()
    path.rename(tmp_path / "b" / "a.csv")
    assert listed(field, f"{{kind: catalog, path: {tmp_path}/b/a.csv}}", tmp_path).reused
    catalogue(field, tmp_path / "b" / "a.csv", [0.0, 1.0])
    assert not listed(field, f"{{kind: catalog, path: {tmp_path}/b/a.csv}}", tmp_path).reused


def test_stars_count_as_listed_by_the_same_settings_alone(field, tmp_path) -> None:
    path = catalogue(field, tmp_path / "mine.csv", [0.0])
    listed(field, f"{{kind: catalog, path: {path}, epoch: 2015.5}}", tmp_path)
    same = campaign("{kind: catalog, path: /elsewhere/mine.csv, epoch: 2015.5}", tmp_path)
    assert are_current(field[0], same.align)
    for other in (
        f"{{kind: catalog, path: {path}, epoch: 2016.5}}",
        f"{{kind: catalog, path: {path}, epoch: 2015.5, name: other}}",
        f"{{kind: image, path: {path}, epoch: 2015.5}}",
        "gaia",
        "tile",
    ):
        assert not are_current(field[0], campaign(other, tmp_path).align)


def test_a_catalogue_without_a_star_in_the_field_is_refused(field, tmp_path) -> None:
    path = catalogue(field, tmp_path / "far.csv", [7200.0])
    with pytest.raises(AlignmentError, match=r"far\.csv has no star where the exposures point"):
        listed(field, f"{{kind: catalog, path: {path}}}", tmp_path)


def test_what_a_server_was_asked_is_not_asked_again(field, tmp_path) -> None:
    """A number in the file is what makes it ask anew."""
    place, inspected = field
    nobody = campaign("{kind: gaia, url: 'http://127.0.0.1:9/tap'}", tmp_path)
    with pytest.raises(NotFinishedError):
        list_reference(place.only_finished(), nobody, inspected)


def image(field, path: Path, epoch: bool = True) -> list[tuple[float, float]]:
    """Write an image with six stars over noise and a slope; return where they lie (degrees)."""
    ra, dec = centre(field)
    header = fits.Header(
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": ra, "CRVAL2": dec, "CRPIX1": 75.5,
         "CRPIX2": 75.5, "CD1_1": -2e-5, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 2e-5}
    )  # fmt: skip
    if epoch:
        header["DATE-OBS"] = "2020-07-02"
    random = np.random.default_rng(3)
    y, x = np.mgrid[0:150, 0:150]
    data = random.normal(0, 1, (150, 150)) + 0.02 * x
    places = [(40.3, 41.7), (60.0, 110.2), (75.5, 75.5), (100.8, 60.4), (110.1, 120.9), (90, 20.2)]
    for at_x, at_y in places:
        data += 200 * np.exp(-0.5 * ((x - at_x) ** 2 + (y - at_y) ** 2) / 1.5**2)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data, header, name="SCI")]).writeto(path)
    return [tuple(one) for one in WCS(header).wcs_pix2world(places, 0)]


def test_stars_of_an_image_are_found_where_they_are(field, tmp_path) -> None:
    places = image(field, tmp_path / "deep.fits")
    done = listed(field, f"{{kind: image, path: {tmp_path}/deep.fits}}", tmp_path)
    found = stars(field, done, tmp_path)
    assert (done.result.name, len(found)) == ("deep", 6)
    for ra, dec in places:
        apart = np.hypot((found.ra - ra) * np.cos(np.radians(dec)), found.dec - dec) * 3.6e6
        assert apart.min() < 5.0  # mas; a pixel has 72
    assert found.epoch == pytest.approx([2020.5] * 6, abs=0.003)
    assert (found.ra_error > 1.0).all() and (found.ra_error < 5.0).all()


def test_an_image_without_a_date_has_the_epoch_of_the_exposures(field, tmp_path) -> None:
    image(field, tmp_path / "undated.fits", epoch=False)
    done = listed(field, f"{{kind: image, path: {tmp_path}/undated.fits}}", tmp_path)
    assert done.result.epochs == []
    given = f"{{kind: image, path: {tmp_path}/undated.fits, epoch: 2001.5}}"
    assert listed(field, given, tmp_path).result.epochs == [2001.5, 2001.5]


@pytest.mark.parametrize(
    ("reference", "error", "message"),
    [
        ("{kind: catalog, path: /absent.csv}", CampaignError,
         r"align\.reference\.path: there is no file /absent\.csv; correct the path"),
        ("{kind: image, path: /absent.fits}", CampaignError, r"there is no file /absent\.fits"),
        ("{kind: gaia, path: /absent}", CampaignError, r"there is no folder /absent"),
        ("{kind: gaia, path: HERE}", InputError, r"holds no catalogue: .*hats\.properties"),
        ("{kind: catalog, path: HERE/bad.csv}", InputError, r"bad\.csv: no column is known as ra"),
        ("{kind: image, path: HERE/bad.csv}", InputError, r"cannot be read as a FITS image"),
        ("{kind: image, path: HERE/none.fits}", InputError, r"has no image of two axes"),
        ("{kind: campaign, campaign: HERE/store/other}", CampaignError,
         r"other is no campaign that was aligned"),
        ("{kind: campaign, campaign: HERE/store/field}", CampaignError, r"is this campaign"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused_before_anything_is_run(
    reference, error, message, tmp_path
) -> None:
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    fits.PrimaryHDU(np.zeros((2, 2))).writeto(tmp_path / "none.fits")
    with pytest.raises(error, match=message):
        require_reference(campaign(reference.replace("HERE", str(tmp_path)), tmp_path))


def test_a_tile_is_no_list(tmp_path) -> None:
    assert not campaign("tile", tmp_path).align.has_reference
    assert campaign("gaia", tmp_path).align.has_reference
    assert name_of(None, "s3://b/x/Legacy-é.v2.fits") == "Legacy-_"
    assert name_of("given", "x.fits") == "given"


def test_an_image_of_which_nothing_is_known_is_refused(tmp_path) -> None:
    from skymosaic.align.image_stars import stars_in

    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": -1e-5,
                          "CDELT2": 1e-5})  # fmt: skip
    for data in (np.zeros((30, 30)), np.full((30, 30), np.nan)):
        stream = io.BytesIO()
        fits.PrimaryHDU(data, header).writeto(stream)
        stream.seek(0)
        with pytest.raises(InputError, match=r"flat\.fits has no star 10 sigma above"):
            stars_in(stream, "x", "flat.fits", 10.0, 3.5)


@pytest.mark.parametrize(
    ("align", "line"),
    [
        ("none", ""),
        ("{}", "shares most area with the others, as align.order is empty"),
        ("{order: [b, a]}", "aligned to: the drizzled image b (align.order)"),
        ("{solve: together, reference: {kind: catalog, path: /a.fits}}",
         "the catalogue /a.fits; one solution for all tiles (align.solve)"),
        ("{tweakreg: {refcat: /a.cat}}", "the catalogue /a.cat (align.tweakreg.refcat)"),
        ("{reference: {kind: catalog, path: /a.fits}}", "aligned to: the catalogue /a.fits"),
        ("{reference: {kind: campaign, campaign: /s/c}}", "the sources of the campaign /s/c"),
        ("{reference: {kind: image, path: /a.fits}}", "the stars in /a.fits"),
        ("{reference: {kind: gaia, max_mag: 20, need_motion: true}}",
         "gaiadr3.gaia_source at https://gea.esac.esa.int/tap-server/tap (G of 20 or brighter, "
         "RUWE at most 1.4, with proper motion)"),
        ("{reference: {kind: gaia, path: /g, max_ruwe: null}}", "stars of Gaia, of /g"),
    ],
)  # fmt: skip
def test_check_and_prepare_tell_what_images_are_aligned_to(align, line) -> None:
    text = f"campaign: {{name: a}}\nsource: {{kind: directory, path: d}}\nalign: {align}\n"
    said = reference_line(load_campaign_text(text, "a.yaml", {}))
    assert said.endswith(line)
    assert bool(said) == bool(line)


def test_the_key_of_an_alignment_without_a_reference_is_what_it_was(tmp_path) -> None:
    assert "reference" not in campaign("tile", tmp_path).align.as_key()
    one = campaign("{kind: gaia, max_mag: 20}", tmp_path).align.as_key()
    other = campaign("{kind: gaia, refresh: 2, wait: 5}", tmp_path).align.as_key()
    # Which stars there are, their product tells.
    assert one == other
    assert one["reference"] == {"kind": "gaia", "unknown_motion": 5.0, "unknown_position": 10.0}


def test_a_reference_and_a_catalogue_of_tweakregs_exclude_each_other() -> None:
    text = (
        "campaign: {name: a}\nsource: {kind: directory, path: d}\n"
        "align: {reference: gaia, tweakreg: {refcat: a.cat}}\n"
    )
    with pytest.raises(CampaignError, match=r"reference\.kind is gaia, and tweakreg\.refcat"):
        load_campaign_text(text, "a.yaml", {})


def test_a_group_has_a_reference_of_its_own_as_a_whole() -> None:
    text = (
        "campaign: {name: a}\nsource: {kind: directory, path: d}\n"
        "align: {reference: {kind: gaia, max_mag: 20}}\n"
        "groups: {parameters: {T/F: {align: {reference: {kind: catalog, path: /a.csv}}}}}\n"
    )
    own = load_campaign_text(text, "a.yaml", {}).for_group("T/F").align.reference
    assert own.kind == "catalog"
    assert own.path == "/a.csv"


def test_a_catalogue_may_lie_in_a_bucket(field, tmp_path, monkeypatch) -> None:
    import boto3

    from tests.moto_server import moto_server

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    path = catalogue(field, tmp_path / "a.csv", [0.0, 2.0])
    with moto_server() as url:
        client = boto3.client("s3", endpoint_url=url)
        client.create_bucket(Bucket="stars")
        client.upload_file(str(path), "stars", "deep/a.csv")

        def bucket(key: str) -> Campaign:
            text = (
                "campaign: {name: field}\nsource: {kind: directory, path: data}\n"
                f"store: {{uri: {tmp_path}/store, endpoint_url: '{url}'}}\n"
                f"align: {{reference: {{kind: catalog, path: 's3://stars/{key}'}}}}\n"
            )
            return load_campaign_text(text, "field.yaml", {})

        place, inspected = field
        done = list_reference(place, bucket("deep/a.csv"), inspected)
        assert (done.result.stars, done.result.origin) == (2, "s3://stars/deep/a.csv")
        assert list_reference(place, bucket("deep/a.csv"), inspected).reused
        catalogue(field, path, [0.0, 2.0, 3.0])
        client.upload_file(str(path), "stars", "deep/a.csv")
        assert list_reference(place, bucket("deep/a.csv"), inspected).result.stars == 3
        with pytest.raises(CampaignError, match=r"there is no file s3://stars/absent\.csv"):
            require_reference(bucket("absent.csv"))
