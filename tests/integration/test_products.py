"""Products that say what they are, of both engines: headers, checksums, footprints."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic import load
from skymosaic.drizzle.grid import Grid
from skymosaic.methods import METHODS, column, word
from skymosaic.sky.outline import trace
from skymosaic.versions import versions
from tests.conftest import manifests, skymosaic, write_campaign


def require_clean(paths: Sequence[Path]) -> None:
    """Let the real fitscheck look at files; each has checksums, and they are right."""
    command = [Path(sys.executable).with_name("fitscheck"), "-v", *paths]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def require_origin(path: Path, campaign: str, method: str, key: str) -> fits.Header:
    header = fits.getheader(path)
    assert header["SKYMETH"] == method
    assert header["CAMPAIGN"] == campaign
    assert header["STEPKEY"] == key
    assert header["SKYMVER"] == versions()["skymosaic"]
    assert header["DRZPVER"] == versions()["drizzlepac"]
    return header


def inside(header: fits.Header, shape: tuple[int, int]) -> np.ndarray:
    """Return which pixel centres S_REGION holds, as drizzlepac and MAST read it."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    found = np.zeros(shape, dtype=bool)
    for text in header["S_REGION"].split("POLYGON ICRS ")[1:]:
        ring = np.array(text.split(), dtype=float).reshape(-1, 2)
        px, py = WCS(header).all_world2pix(ring, 0).T
        odd = np.zeros(shape, dtype=bool)
        for x0, y0, x1, y1 in zip(px[:-1], py[:-1], px[1:], py[1:], strict=True):
            if y0 != y1:
                odd ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
        found |= odd
    return found


def require_footprint(header: fits.Header, weight: Path) -> None:
    seen = fits.getdata(weight) > 0
    off = inside(header, seen.shape) != seen
    assert off.sum() < 0.02 * seen.sum()  # edges, and bad pixels


def test_mosaics_of_astrodrizzle_say_what_they_are(small: Path) -> None:
    for method in METHODS:
        folder = small / "runs" / column(method)
        key = manifests(small)[f"runs/{column(method)}"]["key"]
        [science], [weight] = folder.glob("*_sci.fits"), folder.glob("*_wht.fits")
        for path in (science, weight):
            header = require_origin(path, "small", method, key)
            require_footprint(header, weight)
        history = " ".join(fits.getheader(science)["HISTORY"])
        assert f"sky: {method}, measured and subtracted by AstroDrizzle" in history
        assert "TweakReg aligned 9 tiles to ibxl54030" in history
        require_clean(sorted(folder.glob("*.fits")))


def test_drizzlepac_reads_the_footprint_as_one_of_its_own(tmp_path: Path) -> None:
    from drizzlepac.haputils.processing_utils import interpret_sregion

    mask = np.zeros((120, 150), dtype=bool)
    mask[10:60, 20:130] = mask[70:110, 5:80] = True
    outline = trace(mask, Grid((85.25, -2.45), (75.0, 60.0), 0.1283, 30.0, (150, 120)).wcs())
    science = fits.ImageHDU(mask.astype(np.float32), name="SCI")
    science.header["S_REGION"] = outline.s_region()
    fits.HDUList([fits.PrimaryHDU(), science]).writeto(tmp_path / "x.fits")
    found = interpret_sregion(str(tmp_path / "x.fits"))
    assert len(found) == 2
    for ring, own in zip(found, outline.outer, strict=True):
        np.testing.assert_allclose(ring, [*own, own[0]], atol=1e-8)


@pytest.mark.slow
def test_mosaics_of_onepass_say_what_they_are(simulated_files: Path, tmp_path: Path) -> None:
    file = write_campaign(
        tmp_path / "one.yaml",
        source={"kind": "directory", "path": str(simulated_files)},
        align="none",
        drizzle={"engine": "onepass", "parameters": {"context": True}, "products": ["err"]},
        sky={
            "methods": ["match", "globalmin+match-differences"],
            "variants": {"mode": {"method": "localmin", "parameters": {"skystat": "mode"}}},
        },
    )
    stores = [tmp_path / "store", tmp_path / "again"]
    for store in stores:
        ended = skymosaic("run", file, "--store", store, "--workers", "2")
        assert ended.code == 0, ended.err
    folder = stores[0] / "one"
    done = manifests(folder)
    methods = {"match": "match", "variant:mode": "localmin"}
    for name in ("match", "globalmin+match-differences", "variant:mode"):
        manifest = done[f"runs/{word(name)}"]
        run = manifest["result"]
        science = folder / "runs" / word(name) / run["science"]
        weight = science.with_name(run["weight"])
        context = science.with_name(science.name.replace("_sci", "_ctx"))
        error = science.with_name(run["error"])
        assert fits.getheader(error)["BUNIT"] == fits.getheader(science)["BUNIT"]
        seen = fits.getdata(weight) > 0
        np.testing.assert_array_equal(np.isfinite(fits.getdata(error)), seen)
        assert 1.0 < fits.getheader(error)["NOISCORR"] < 2.5
        for path in (science, weight, context, error):
            header = require_origin(path, "one", methods.get(name, name), manifest["key"])
            require_footprint(header, weight)
        assert "align: none" in " ".join(fits.getheader(science)["HISTORY"])
    mosaic = load(folder).mosaic("match")
    assert mosaic.error is not None
    assert np.nanmedian(mosaic.error) > 0
    products = sorted((folder / "runs").glob("*/*.fits"))
    assert len(products) == 3 * 5
    require_clean(products)
    for path in products:  # made elsewhere at another time
        assert (stores[1] / path.relative_to(stores[0])).read_bytes() == path.read_bytes()
