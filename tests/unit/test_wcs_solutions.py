"""Which WCS solutions files hold, which are chosen, and how a drizzled image follows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic.align.choice import choose_solutions, kind_of, rank_of
from skymosaic.align.motion import STILL, Motion, motion_between, move_image
from skymosaic.align.plane import from_plane, to_plane
from skymosaic.align.proof import grid, separation
from skymosaic.align.solutions import unknown_in_tiles
from skymosaic.config import load_campaign_text
from skymosaic.errors import AlignmentError, CampaignError, InputError
from skymosaic.hst.wcs_solutions import Solution, read_solutions_of
from skymosaic.pipeline.admission import require_possible

MODEL = "IDC_w3m18525i"


def solutions(*names: str) -> list[Solution]:
    """Return solutions of which the first is the primary one."""
    return [Solution(name, primary=not place) for place, name in enumerate(names)]


def headerlet(name: str, **more: object) -> fits.ImageHDU:
    """Return an HDRLET extension as stwcs writes it: a FITS file in the data of another."""
    inside = fits.HDUList([fits.PrimaryHDU(header=fits.Header({"WCSNAME": name, **more}))])
    inside.append(fits.ImageHDU(name="SIPWCS", header=fits.Header({"WCSTYPE": "fit, of a test"})))
    hdu = fits.hdu.nonstandard.FitsHDU.fromhdulist(inside, compress=bool(more.get("PACKED")))
    hdu.header["EXTNAME"] = "HDRLET"
    hdu.header["WCSNAME"] = name
    return hdu


def write(path: Path, *headerlets: fits.ImageHDU, **cards: object) -> Path:
    hdus = fits.HDUList([fits.PrimaryHDU()])
    hdus.append(fits.ImageHDU(np.zeros((4, 4)), fits.Header(cards), name="SCI", ver=1))
    for number, hdu in enumerate(headerlets, start=1):
        hdu.header["EXTVER"] = number
        hdus.append(hdu)
    hdus.writeto(path)
    return path


def test_all_solutions_of_a_file_are_listed_with_their_numbers(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a_flt.fits",
        headerlet(f"{MODEL}-FIT_REL_GAIAEDR3", RMS_RA=4.5, RMS_DEC=5.5, NMATCH=33, CATALOG="GAIA"),
        headerlet(MODEL, RMS_RA=0.0),
        headerlet(f"{MODEL}-HSC30", PACKED=True, RMS_RA=2e-6, NMATCH=7),
        WCSNAME=MODEL,
        WCSNAMEA=MODEL,
        WCSNAMEB=f"{MODEL}-GSC240",
        CATALOGB="GSC240",
        CRDER1B=1e-6,
        NMATCHB=0,
        WCSNAMEO="OPUS",
    )
    first, fit, guide, hubble, opus = read_solutions_of(path)
    assert (first.name, first.primary, first.held_as) == (
        *(MODEL, True),
        "primary, alternate A, headerlet 2",
    )
    assert first.rms_ra is first.matches is None
    assert (fit.matches, fit.rms_ra, fit.rms_dec, fit.catalogue) == (33, 4.5, 5.5, "GAIA")
    assert (fit.held_as, fit.wcstype) == ("headerlet 1", "fit, of a test")
    assert (guide.name, guide.held_as, guide.catalogue) == (
        *(f"{MODEL}-GSC240", "alternate B"),
        "GSC240",
    )
    assert guide.rms_ra == pytest.approx(3.6)  # degrees
    assert (hubble.rms_ra, hubble.matches) == (pytest.approx(7.2), 7)
    assert opus.held_as == "alternate O"


def test_a_headerlet_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    broken = headerlet(f"{MODEL}-HSC30")
    path = write(tmp_path / "a_flt.fits", broken, WCSNAME=MODEL)
    content = path.read_bytes()
    at = content.rindex(b"SIMPLE  =")
    path.write_bytes(content[:at] + b"NOTHING =" + content[at + 9 :])
    assert [one.name for one in read_solutions_of(path)] == [MODEL]
    path.write_bytes(content[: at + 100])
    with pytest.raises(InputError, match=r"a_flt.fits cannot be read as FITS .*fetch it again"):
        read_solutions_of(path)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("IDC_a-FIT_SVM_GAIAeDR3", "IDC_a-FIT_REL_GAIAeDR3"),
        ("IDC_a-FIT_REL_GAIAeDR3", "IDC_a-FIT_IMG_GAIAeDR3"),
        ("IDC_a-FIT_IMG_GAIAeDR3", "IDC_a-FIT_SVM_GAIADR2"),
        ("IDC_a-FIT_EVM_GAIADR2", "IDC_a-FIT_SVM_GAIADR1"),
        ("IDC_a-FIT_IMG_2MASS", "IDC_a-FIT_SVM_NONE"),
        ("IDC_a-FIT_IMG_NONE", "IDC_a-HSC30"),
        ("IDC_a-HSC30", "IDC_a-GSC240"),
        ("IDC_a-GSC240", "IDC_a"),
        ("IDC_a", "TWEAK"),
    ],
)
def test_the_order_is_that_of_drizzlepac(better: str, worse: str) -> None:
    assert rank_of(kind_of(better)) < rank_of(kind_of(worse))


def test_the_best_that_all_hold_is_chosen() -> None:
    rel, guide = f"{MODEL}-FIT_REL_GAIAeDR3", f"{MODEL}-GSC240"
    choice = choose_solutions(
        {"a": solutions(MODEL, guide, rel, "OPUS"), "b": solutions(rel, guide, MODEL)}, "best"
    )
    assert {name: one.name for name, one in choice.chosen.items()} == {"a": rel, "b": rel}
    assert choice.warnings == []
    choice = choose_solutions(
        {"a": solutions(rel, guide), "b": solutions(rel, guide), "c": solutions(MODEL, guide)},
        "best",
    )
    assert {one.name for one in choice.chosen.values()} == {guide}
    [warning] = choice.warnings
    assert "WCS solution GSC240, which all hold" in warning
    assert "2 exposures of 3 also have FIT_REL_GAIAEDR3, which c lacks" in warning


def test_detectors_of_two_models_have_one_kind() -> None:
    held = {
        "a": solutions("IDC_w3m18525i", "IDC_w3m18525i-HSC30"),
        "b": solutions("IDC_11d1433lj", "IDC_11d1433lj-HSC30"),
    }
    choice = choose_solutions(held, "best")
    assert choice.chosen["b"].name == "IDC_11d1433lj-HSC30"
    assert choice.warnings == []


def test_a_mix_is_warned_of_by_name() -> None:
    held = {
        "a": solutions(f"{MODEL}-HSC30"),
        "b": solutions(f"{MODEL}-GSC240"),
        "c": solutions("TWEAK"),
    }
    choice = choose_solutions(held, "best")
    assert {name: one.name for name, one in choice.chosen.items()} == {
        name: its[0].name for name, its in held.items()
    }
    [warning] = choice.warnings
    assert "solutions of 3 kinds: HSC30 (a), GSC240 (b) and TWEAK (c)" in warning


def test_of_two_models_the_one_in_use_is_taken() -> None:
    old = "IDC_aaaaaaaai"
    held = {"a": solutions(MODEL, f"{old}-GSC240", f"{MODEL}-GSC240")}
    assert choose_solutions(held, "best").chosen["a"].name == f"{MODEL}-GSC240"
    held = {"a": solutions(f"{MODEL}-GSC240", f"{old}-GSC240", MODEL)}
    assert choose_solutions(held, "best").chosen["a"].primary


def test_a_name_may_be_a_pattern_and_who_lacks_it_is_named() -> None:
    rel, image = f"{MODEL}-FIT_REL_GAIAeDR3", f"{MODEL}-FIT_IMG_GAIAeDR3"
    held = {"a": solutions(MODEL, rel, image), "b": solutions(MODEL, image)}
    choice = choose_solutions(held, "*gaiaedr3*")
    assert {one.name for one in choice.chosen.values()} == {image}
    assert "1 exposure of 2 also have FIT_REL_GAIAEDR3" in choice.warnings[0]
    assert choose_solutions(held, image.lower()).chosen["a"].name == image
    with pytest.raises(AlignmentError) as error:
        choose_solutions(held, "*FIT_REL*")
    told = str(error.value)
    assert "1 exposure of 2 hold no WCS solution *FIT_REL*: b has" in told
    assert f"{MODEL} and {image}" in told
    assert "Set align.wcs to one that all hold" in told
    with pytest.raises(AlignmentError, match="hold no WCS solution OPUS"):
        choose_solutions({"a": solutions(MODEL, "OPUS")}, "OPUS")


def tangent(ra: float, dec: float, roll: float = 0.0, scale: float = 0.1) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = (ra, dec), (400.5, 500.5)
    cos, sin = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    wcs.wcs.cd = np.array([[-cos, sin], [sin, cos]]) * scale / 3600.0
    wcs.pixel_shape = (800, 1000)
    return wcs


@pytest.mark.parametrize("dec", [-70.0, 0.0, 88.0])
def test_a_plane_and_back(dec: float) -> None:
    random = np.random.default_rng(3)
    sky = np.array([0.001, dec])
    plane = random.uniform(-90, 90, (50, 2))
    there = from_plane(plane, sky)
    assert np.abs(to_plane(there, sky) - plane).max() < 1e-8


@pytest.mark.parametrize("dec", [-70.0, 0.0, 85.0])
def test_a_drizzled_image_follows_its_exposures(tmp_path: Path, dec: float) -> None:
    before, after = tangent(359.9999, dec, 12.0), tangent(0.0003, dec + 2e-4, 12.05, 0.10002)
    motion = motion_between({1: before}, {1: after})
    assert motion.length > 500.0
    # The drizzled image has another orientation, scale and centre.
    image = tangent(0.004, dec + 0.003, -33.0, 0.08)
    path = tmp_path / "a_drz.fits"
    header = image.to_header()
    header["WCSNAME"] = "old"
    fits.HDUList(
        [fits.PrimaryHDU(), fits.ImageHDU(np.zeros((1000, 800), np.uint8), header, name="SCI")]
    ).writeto(path)
    with fits.open(path, mode="update") as hdus:
        for keyword in ("PC1_1", "PC1_2", "PC2_1", "PC2_2", "CDELT1", "CDELT2"):
            hdus[1].header.remove(keyword, ignore_missing=True)
        for row in (0, 1):
            for column in (0, 1):
                hdus[1].header[f"CD{row + 1}_{column + 1}"] = image.wcs.cd[row, column]
    move_image(path, [motion, motion], "new")
    with fits.open(path) as hdus:
        moved, name = WCS(hdus[1].header), hdus[1].header["WCSNAME"]
    assert name == "new"
    pixels = np.stack(grid(image), axis=1)
    start = image.wcs_pix2world(pixels, 0)
    expected = after.wcs_pix2world(before.wcs_world2pix(start, 0), 0)
    assert separation(expected, moved.wcs_pix2world(pixels, 0)).max() < 0.1  # mas


def test_a_motion_is_a_shift_where_nothing_turns() -> None:
    motion = Motion(10.0, 20.0, 0.3, -0.1)
    sky = np.array([[10.0, 20.0], [10.01, 20.0]])
    assert np.abs(to_plane(motion.moved(sky), sky[0])[0] - [0.3, -0.1]).max() < 1e-9
    assert separation(sky, motion.moved(sky)) == pytest.approx([motion.length] * 2, abs=0.01)
    assert STILL.moved(sky) is sky


def test_a_drizzled_image_of_an_unknown_solution_is_warned_of() -> None:
    held = {"a": [MODEL], "b": [MODEL]}
    assert unknown_in_tiles({"a": MODEL, "b": "DRZWCS"}, held) == []
    [warning] = unknown_in_tiles({"a": f"{MODEL}-HSC30", "b": MODEL}, held)
    assert f"a ({MODEL}-HSC30)" in warning


@pytest.mark.parametrize("align", ["wcs: best", "exposures: {correct: true}"])
def test_without_an_alignment_a_wcs_may_be_chosen(tmp_path: Path, align: str) -> None:
    source = f"source: {{kind: directory, path: {tmp_path}}}\n"
    begins = f"campaign: {{name: f}}\n{source}align: {{method: none, "
    require_possible(load_campaign_text(f"{begins}{align}}}\n", "f.yaml", {}))
    idle = load_campaign_text(f"{begins}{align}, min_sources: 3}}\n", "f.yaml", {})
    with pytest.raises(CampaignError, match=r"^align\.min_sources does nothing"):
        require_possible(idle)
