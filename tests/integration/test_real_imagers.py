"""Real exposures of STIS and WFPC2, which travel as test data in packages on PyPI.

They lie in ``data/real-headers`` (`scripts/fetch-real-headers`), or where SKYMOSAIC_REAL_HEADERS
says.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from astropy.io import fits
from astropy.table import Table

from skymosaic.drizzle.parameters import CR_STEPS
from tests.conftest import REPOSITORY, skymosaic

pytestmark = [pytest.mark.network, pytest.mark.slow]
HEADERS = "SKYMOSAIC_REAL_HEADERS"
# What is usual for CCDs is tried elsewhere.
PARAMETERS = {"final_bits": 64, **dict.fromkeys(CR_STEPS, False)}
STIS, WFPC2, GRISM = "o4k19a010_flt.fits", "u40x010hm_c0f.fits", "acs_test_file.fits"

# The archive's files of WFPC2 come as c0m; the package has an older form, a plane a chip.
_FLT = """
import sys
from pathlib import Path
from astropy.io import fits
from drizzlepac.wfpc2Data import wfpc2_to_flt
from stsci.tools.check_files import waiver2mef
from stwcs.updatewcs import updatewcs

waiver2mef("u40x010hm_c0f.fits")
for kind in ("c0", "c1"):
    Path(f"u40x010hm_{kind}h.fits").rename(f"u40x010hm_{kind}m.fits")
    fits.setval(f"u40x010hm_{kind}m.fits", "FILENAME", value=f"u40x010hm_{kind}m.fits")
flt = wfpc2_to_flt("u40x010hm_c0m.fits")
if "model" in sys.argv:
    updatewcs(flt, use_db=False)
"""


@pytest.fixture(scope="module")
def real() -> Path:
    """The folder of the real files."""
    folder = Path(os.environ.get(HEADERS, REPOSITORY / "data" / "real-headers"))
    for name in (STIS, WFPC2, GRISM):
        if not (folder / name).is_file():
            pytest.skip(f"no {name} in {folder}: run scripts/fetch-real-headers, or set {HEADERS}")
    return folder


def campaign(folder: Path) -> Path:
    content = {
        "campaign": {"name": "real"},
        "source": {"kind": "directory", "path": str(folder / "data")},
        "align": "none",
        "sky": {"methods": ["localmin", "match"], "parameters": {"sky_bits": 0}},
        "drizzle": {"parameters": PARAMETERS},
        "store": {"uri": str(folder / "store")},
    }
    path = folder / "real.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def make_flt(real: Path, folder: Path, *how: str) -> Path:
    """Make the FLT of the real exposure of WFPC2 in the folder ``data``."""
    work = folder / "work"
    work.mkdir()
    for name in (WFPC2, WFPC2.replace("c0f", "c1f")):
        shutil.copy(real / name, work)
    done = subprocess.run(
        [sys.executable, "-c", _FLT, *how],
        cwd=work,
        env={**os.environ, "uref": f"{real}/", "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (folder / "data").mkdir()
    return Path(shutil.move(work / "u40x010hm_flt.fits", folder / "data"))


def copy_moved(path: Path, name: str, shift: float, more: float) -> None:
    """Make a second exposure of a first one: moved (arcsec), with more sky, under another name."""
    with fits.open(path) as hdus:
        for hdu in hdus:
            if "ROOTNAME" in hdu.header:
                hdu.header["ROOTNAME"] = name
            if hdu.name == "SCI":
                hdu.header["EXPNAME"] = name
                hdu.header["CRVAL2"] += shift / 3600.0
                hdu.data = hdu.data + more
        hdus.writeto(path.with_name(f"{name}_flt.fits"))


def test_stis_as_astrodrizzle_splits_it(real, tmp_path) -> None:
    (tmp_path / "data").mkdir()
    shutil.copy(real / STIS, tmp_path / "data")
    ended = skymosaic("run", campaign(tmp_path))
    assert ended.code == 0, ended.err
    table = Table.read(tmp_path / "store" / "real" / "comparison" / "mdrizsky.ecsv")
    assert list(table["rootname"]) == ["o4k19ac3q", "o4k19ac4q"]
    # What AstroDrizzle 3.11.0 gives on the file by itself, counts.
    assert list(table["match_mdrizsky"]) == pytest.approx([1.382750, 0.0], abs=1e-5)


def test_wfpc2_with_its_distortion(real, tmp_path) -> None:
    first = make_flt(real, tmp_path, "model")
    with fits.open(first, mode="update") as hdus:
        for hdu in hdus:
            if hdu.name == "SCI":
                hdu.header.setdefault("BUNIT", "COUNTS")
    copy_moved(first, "u40x010im", 5.0, 0.5)
    ended = skymosaic("run", campaign(tmp_path))
    assert ended.code == 0, ended.err
    folder = tmp_path / "store" / "real"
    assert list((folder / "runs" / "match").glob("real_match_drw_sci.fits"))
    table = Table.read(folder / "comparison" / "mdrizsky.ecsv")
    # What AstroDrizzle 3.11.0 gives on the pair by itself, counts.
    expected = [0.0] * 4 + [0.18204987, 0.87094027, 0.8705905, 0.87143007]
    assert list(table["match_mdrizsky"]) == pytest.approx(expected, abs=1e-5)


def test_wfpc2_as_it_is_made_is_refused_for_the_question_that_astrodrizzle_asks(
    real, tmp_path
) -> None:
    make_flt(real, tmp_path)
    ended = skymosaic("inspect", campaign(tmp_path))
    assert ended.code == 4
    assert "uref$s8f1222cu_dxy.fits" in ended.err and "NPOLFILE" in ended.err


def test_what_is_not_taken_of_real_files_is_named(real, tmp_path) -> None:
    (tmp_path / "data").mkdir()
    shutil.copy(real / GRISM, tmp_path / "data" / "jdql01jxq_flt.fits")
    ended = skymosaic("inspect", campaign(tmp_path))
    assert ended.code == 4
    shutil.copy(real / WFPC2, tmp_path / "data")
    (tmp_path / "data" / "jdql01jxq_flt.fits").unlink()
    ended = skymosaic("inspect", campaign(tmp_path))
    assert ended.code == 4
    assert WFPC2 in ended.err
