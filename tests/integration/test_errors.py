"""What goes wrong is told by name, with a documented exit code, and leaves the store as it was."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from skymosaic.errors import AlignmentError, CampaignError, DrizzleError
from tests.conftest import manifests, skymosaic, tree, write_campaign
from tests.first_steps import plan_of

ONE = {"methods": ["match"]}
"""For what does not depend on the method."""


@pytest.fixture
def files(simulated_files: Path, tmp_path: Path) -> Path:
    """A private folder of exposures of tiles 54 and 51 with their drizzled images."""
    shutil.copytree(simulated_files, tmp_path / "files")
    return tmp_path / "files"


def run(tmp_path: Path, files: Path, **sections: Any) -> Any:
    source = {"kind": "directory", "path": str(files), **sections.pop("source", {})}
    file = write_campaign(tmp_path / "wrong.yaml", source=source, **sections)
    return skymosaic("run", file, "--store", tmp_path / "store", "--workers", "1")


def error_here(tmp_path: Path, files: Path, kind: type[Exception], **sections: Any) -> str:
    """Do the steps up to the plan in this process, which fail; return what the error says."""
    source = {"kind": "directory", "path": str(files)}
    file = write_campaign(
        tmp_path / "wrong.yaml", source=source, store={"uri": "store"}, **sections
    )
    with pytest.raises(kind) as caught:
        plan_of(file)
    return str(caught.value)


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def stage_never_finished(tmp_path: Path, step: str) -> None:
    """A failed step has no manifest, and nothing but logs of it is in the store."""
    campaign = tmp_path / "store" / "wrong"
    assert step not in manifests(campaign)
    assert not (campaign / step).exists()
    assert not [name for name in tree(campaign) if ".part" in name or "staging" in name]


def test_truncated_file(tmp_path: Path, files: Path) -> None:
    truncate(files / "ibxl54bgq_flt.fits")
    ended = run(tmp_path, files)
    assert ended.code == 4
    assert "ibxl54bgq_flt.fits is truncated" in ended.err
    assert "fetch it again" in ended.err
    assert not (tmp_path / "store").exists()


def test_mixed_filters(tmp_path: Path, files: Path) -> None:
    with fits.open(files / "ibxl54bgq_flt.fits", mode="update") as hdus:
        hdus[0].header["FILTER"] = "F110W"
    ended = run(tmp_path, files)
    assert ended.code == 4
    assert "ibxl54bgq_flt.fits is of filter F110W" in ended.err
    assert "source.filter" in ended.err
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"drizle": {}}, "drizzle"),
        ({"drizzle": {"parameters": {"final_rott": 1}}}, "final_rot"),
        ({"align": {"tweakreg": {"searchradius": 1}}}, "searchrad"),
        ({"sky": {"methods": ["lokalmin"]}}, "localmin"),
    ],
)
def test_wrong_campaign_file(
    tmp_path: Path, files: Path, sections: dict[str, Any], said: str
) -> None:
    message = error_here(tmp_path, files, CampaignError, **sections)
    assert said in message
    assert "wrong.yaml" in message
    assert not (tmp_path / "store").exists()


def empty(path: Path) -> None:
    """Put nothing but noise into a drizzled image."""
    with fits.open(path, mode="update") as hdus:
        data = hdus["SCI"].data
        data[:] = np.random.default_rng(1).normal(1.0, 0.01, data.shape)


def test_no_sources_in_one_tile(tmp_path: Path, files: Path) -> None:
    empty(files / "ibxl51030_drz.fits")
    ended = run(tmp_path, files, align={"order": ["54"]})
    assert ended.code == 5
    assert "ibxl51030" in ended.err
    assert "sources" in ended.err
    stage_never_finished(tmp_path, "aligned")
    assert (tmp_path / "store" / "wrong" / "failed" / "solution" / "align.log").exists()


def misplace(files: Path, tile: str, degrees: float) -> None:
    """Shift the WCS of a tile's exposures and of its drizzled image on the sky."""
    for path in files.glob(f"ibxl{tile}*_fl?.fits"):
        with fits.open(path, mode="update") as hdus:
            hdus["SCI", 1].header["CRVAL2"] += degrees
    for path in files.glob(f"ibxl{tile}*_drz.fits"):
        with fits.open(path, mode="update") as hdus:
            hdus["SCI", 1].header["CRVAL2"] += degrees


def test_tile_that_matches_nothing_has_nan_shifts(tmp_path: Path, files: Path) -> None:
    misplace(files, "51", 20 / 3600)
    align = {"order": ["54"], "tweakreg": {"minobj": 300}}
    message = error_here(tmp_path, files, AlignmentError, align=align)
    assert "fitted (the fit gave a solution without NaN): ibxl51030" in message
    assert "dx nan dy nan" in message
    stage_never_finished(tmp_path, "aligned")


def test_tile_aligned_by_chance_matches_fails_the_rms_gate(tmp_path: Path, files: Path) -> None:
    misplace(files, "51", 20 / 3600)
    align = {"order": ["54"], "tweakreg": {"minobj": 5}}
    message = error_here(tmp_path, files, AlignmentError, align=align)
    assert "rms (rms residual at most 40 mas in RA and in Dec): ibxl51030" in message
    stage_never_finished(tmp_path, "aligned")


@pytest.mark.slow
def test_policy_keep_mosaics_an_unaligned_tile_and_says_so(tmp_path: Path) -> None:
    files = tmp_path / "files"
    simulated = skymosaic(
        "simulate", files, "--size", "small", *("--tile=54", "--tile=51", "--tile=55")
    )
    assert simulated.code == 0, simulated.err
    empty(files / "ibxl51030_drz.fits")
    ended = run(tmp_path, files, align={"order": ["54"], "on_failure": "keep"})
    assert ended.code == 0, ended.err
    assert "ibxl51030" in ended.err
    aligned = tmp_path / "store" / "wrong" / "aligned"
    kept, moved = (
        fits.getval(aligned / f"{rootname}_flt.fits", "WCSNAME", ext=("SCI", 1))
        for rootname in ("ibxl51eoq", "ibxl55f0q")
    )
    assert (kept == "TWEAK", moved) == (False, "TWEAK")
    assert "ibxl51030" in (tmp_path / "store" / "wrong" / "comparison" / "report.html").read_text()
    dropped = run(tmp_path, files, align={"order": ["54"], "on_failure": "drop"})
    assert dropped.code == 0, dropped.err
    assert not (aligned / "ibxl51eoq_flt.fits").exists()
    table = Table.read(tmp_path / "store" / "wrong" / "comparison" / "mdrizsky.ecsv")
    assert {name[:6] for name in table["rootname"]} == {"ibxl54", "ibxl55"}


def test_one_bad_wcs_does_not_make_a_huge_mosaic(tmp_path: Path, files: Path) -> None:
    misplace(files, "51", 3.0)
    message = error_here(tmp_path, files, DrizzleError, align="none")
    assert "megapixels" in message
    assert "max_output_megapixels" in message
    stage_never_finished(tmp_path, "plan")


@pytest.mark.campaign
def test_what_is_left_out_and_what_overlaps_nothing_are_named(tmp_path: Path, files: Path) -> None:
    """A truncated file, which the campaign does without, and an exposure that is alone then."""
    misplace(files, "51", 200 / 3600)
    truncate(files / "ibxl51etq_flt.fits")
    ended = run(
        tmp_path,
        files,
        source={"on_bad_file": "leave_out"},
        align="none",
        sky={"methods": ["localmin", "match", "globalmin+match"]},
    )
    assert ended.code == 0, ended.err
    assert "Left out: " in ended.err
    assert "ibxl51eoq" in ended.err
    comparison = tmp_path / "store" / "wrong" / "comparison"
    assert "ibxl51etq_flt.fits" in (comparison / "report.html").read_text()
    table = Table.read(comparison / "mdrizsky.ecsv")
    assert "ibxl51etq" not in set(table["rootname"])
    lonely = table[table["rootname"] == "ibxl51eoq"]
    assert bool(lonely["match"].mask[0])
    assert bool(lonely["globalmin_match"].mask[0])
    assert lonely["localmin"][0] > 0
    assert "undetermined" in ended.out
    [science] = (tmp_path / "store" / "wrong" / "runs" / "match").glob("*_sci.fits")
    skies = dict(
        zip(*(fits.getdata(science, "HDRTAB")[c] for c in ("ROOTNAME", "MDRIZSKY")), strict=False)
    )
    assert np.isnan(skies["ibxl51eoq"])  # the archive's stale value was not subtracted


@pytest.mark.campaign
def test_two_groups_are_reported(tmp_path: Path, files: Path) -> None:
    misplace(files, "51", 200 / 3600)
    ended = run(tmp_path, files, align="none", sky=ONE)
    assert ended.code == 0, ended.err
    assert "2 groups" in ended.err
    assert "zero point" in (tmp_path / "store" / "wrong" / "comparison" / "report.html").read_text()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", disk], check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_full_disk_in_the_store(small_disk: Path, tmp_path: Path, files: Path) -> None:
    source = {"kind": "directory", "path": str(files)}
    file = write_campaign(tmp_path / "wrong.yaml", source=source, align="none")
    ended = skymosaic("run", file, "--store", small_disk / "store")
    assert ended.code == 9
    assert "no space left" in ended.err
    assert "--store" in ended.err
    campaign = small_disk / "store" / "wrong"
    for manifest in manifests(campaign).values():
        for product in manifest["products"].values():
            assert (campaign.parent / product["key"]).stat().st_size == product["size"]
    assert not [name for name in tree(campaign) if ".part" in name or "staging" in name]


@pytest.mark.campaign
def test_full_disk_in_scratch(small_disk: Path, tmp_path: Path, files: Path) -> None:
    source = {"kind": "directory", "path": str(files)}
    file = write_campaign(
        tmp_path / "wrong.yaml",
        source=source,
        align="none",
        sky={"methods": ["localmin", "globalmin"]},
        drizzle={"parameters": {"final_scale": 0.05}},
    )
    ended = skymosaic("run", file, "--store", tmp_path / "store", "--scratch", small_disk)
    assert ended.code == 9
    # The copies of the exposures fill it, or drizzlepac does: whichever of two methods comes first.
    assert "no space left" in ended.err
    assert "compute.scratch" in ended.err
    assert "comparison" not in manifests(tmp_path / "store" / "wrong")
    assert list(small_disk.iterdir()) == []


def test_lowest_tile_without_a_drizzled_image(tmp_path: Path, files: Path) -> None:
    (files / "ibxl51030_drz.fits").unlink()
    message = error_here(tmp_path, files, AlignmentError)
    assert "ibxl51eoq" in message
    assert "align: none" in message


def test_doctor_finds_the_known_offset() -> None:
    ended = skymosaic("doctor")
    assert ended.code == 0, ended.err
    assert "spherical_geometry" in ended.out
    assert "match found a sky difference of 0.2" in ended.out
