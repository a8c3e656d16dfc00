"""What a worker is projected to need, against what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from skymosaic.config import load_campaign, load_campaign_text
from skymosaic.drizzle import memory
from skymosaic.drizzle.expected import of_campaign
from skymosaic.drizzle.memory import Work, memory_of
from skymosaic.pipeline.sentences.sizes import memory_line
from tests.conftest import write_campaign

CHIP = 1014**2
# Printed by benchmarks/memory.py: exposures, output pixels, context, bytes.
MEASURED = [
    (9, 8_802_940, False, 572_699_648),
    (18, 8_976_462, False, 645_551_104),
    (18, 8_976_462, False, 652_759_040),
    (72, 9_053_058, False, 1_245_395_968),
    (9, 40_211_936, False, 947_876_864),
    (9, 90_481_488, False, 1_549_336_576),
    (9, 90_481_488, True, 1_550_624_768),
    (72, 41_352_128, True, 1_782_578_176),
]


@pytest.mark.parametrize(("chips", "pixels", "context", "bytes_"), MEASURED)
def test_the_formula_is_near_what_was_measured(
    chips: int, pixels: int, context: bool, bytes_: int
) -> None:
    work = Work(chips=chips, input_pixels=chips * CHIP, output_pixels=pixels, context=context)
    projected = memory_of("astrodrizzle", work).peak
    # Too little kills a worker, too much costs money.
    assert bytes_ < 1.02 * projected
    assert projected < 1.15 * bytes_
    assert memory.needs("astrodrizzle", work).memory >= 1.25 * bytes_


ACS_CHIP = 2048 * 4096
# The same of the one-pass engine: exposures, chips of each, pixels of a chip, output pixels, its
# columns, ratio of scales, drizzles at once, cosmic rays, bytes.
MEASURED_OF_ONEPASS = [
    (9, 1, CHIP, 8_802_940, 2890, 1.0, 1, False, 473e6),
    (9, 1, CHIP, 8_802_940, 2890, 1.0, 2, False, 528e6),
    (18, 1, CHIP, 8_976_462, 2946, 1.0, 2, False, 578e6),
    (9, 1, CHIP, 40_211_936, 6178, 2.1375, 1, False, 530e6),
    (9, 1, CHIP, 40_211_936, 6178, 2.1375, 2, False, 630e6),
    (6, 2, ACS_CHIP, 50_488_680, 6652, 1.0, 1, False, 1621e6),
    (6, 2, ACS_CHIP, 50_488_680, 6652, 1.0, 2, False, 2059e6),
]


@pytest.mark.parametrize("case", MEASURED_OF_ONEPASS)
def test_that_of_onepass_too(case: tuple[Any, ...]) -> None:
    exposures, each, pixels, output, columns, ratio, processes, cosmic_rays, bytes_ = case
    work = Work(
        chips=exposures * each,
        input_pixels=exposures * each * pixels,
        output_pixels=output,
        largest_chip=pixels,
        columns=columns,
        mosaics=4,
        processes=processes,
        scale_ratio=ratio,
        cosmic_rays=cosmic_rays,
    )
    projected = memory_of("onepass", work).peak
    assert bytes_ < 1.02 * projected
    assert projected < 1.25 * bytes_
    assert memory.needs("onepass", work).memory >= 1.25 * bytes_


def test_each_plane_of_the_context_counts() -> None:
    def planes(chips: int, context: bool) -> int:
        work = Work(chips=chips, input_pixels=0, output_pixels=22_000**2, context=context)
        return round(memory_of("astrodrizzle", work).parts["mosaic"] / (4 * 22_000**2)) - 2

    assert [planes(chips, True) for chips in (1, 32, 33, 1400)] == [1, 1, 2, 44]
    assert planes(1400, False) == 1
    # 700 exposures of two chips on 22k x 22k pixels: 85 GB of context alone.
    assert pytest.approx(85e9, rel=0.01) == 44 * 4 * 22_000**2


def work_of(tmp_path: Path, source: dict[str, Any], **sections: Any) -> Work:
    file = write_campaign(tmp_path / "field.yaml", source=source, **sections)
    return of_campaign(load_campaign(file)).work


def test_the_demo(tmp_path: Path) -> None:
    work = work_of(tmp_path, {"kind": "simulated"})
    assert (work.chips, work.input_pixels) == (18, 18 * CHIP)
    assert work.output_pixels > 2946 * 3047
    finer = work_of(
        tmp_path, {"kind": "simulated"}, drizzle={"parameters": {"final_scale": 0.064125}}
    )
    assert finer.output_pixels == pytest.approx(4 * work.output_pixels, rel=1e-6)
    assert work_of(tmp_path, {"kind": "simulated", "tiles": ["54"], "dithers": 4}).chips == 4


def test_simulated_ccds_have_two_chips(tmp_path: Path) -> None:
    source = {"kind": "simulated", "instrument": "acs-wfc"}
    work = work_of(tmp_path, source)
    assert (work.chips, work.input_pixels) == (12, 12 * 2051 * 4096)
    assert work.output_pixels > 1.5 * 4200**2  # two squares that share a half
    assert work.cosmic_rays
    small = work_of(tmp_path, {**source, "size": "small", "tiles": ["01"], "dithers": 2})
    assert (small.chips, small.input_pixels) == (4, 4 * 256 * 512)
    assert 565 * 565 < small.output_pixels < work.output_pixels / 20
    more = work_of(tmp_path, {**source, "tiles": ["01", "09"]})
    assert more.output_pixels > 4 * 4200**2


def test_the_allowed_output_bounds_what_is_not_known(tmp_path: Path) -> None:
    mast = {"kind": "mast", "proposal_id": [12812], "instrument": ["WFC3/IR"], "max_files": 27}
    work = work_of(tmp_path, mast, drizzle={"max_output_megapixels": 20})
    assert (work.chips, work.output_pixels) == (27, 20_000_000)
    assert "source.max_files" in work.known_by and "20 megapixels" in work.known_by
    unbounded = work_of(tmp_path, {"kind": "mast", "proposal_id": [12812]})
    assert unbounded.chips == 200 and "assumed: 100 exposures" in unbounded.known_by


def test_a_folder_is_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("ibxl54aaq_flt.fits", "ibxl54abq_flt.fits", "ibxl54010_drz.fits", "notes.txt"):
        (folder / name).write_bytes(bytes(10_000))
    source = {"kind": "directory", "path": str(folder)}
    work = work_of(tmp_path, source)
    # The fewest bytes that a pixel has in a file are ten.
    assert (work.chips, work.input_pixels) == (4, 2000)
    assert "2 files" in work.known_by
    gone = work_of(tmp_path, {"kind": "directory", "path": str(tmp_path / "elsewhere")})
    assert "assumed" in gone.known_by


def test_cosmic_rays_need_another_image(tmp_path: Path) -> None:
    steps = dict.fromkeys(("driz_separate", "median", "blot", "driz_cr"), True)
    plain = work_of(tmp_path, {"kind": "simulated"})
    found = work_of(tmp_path, {"kind": "simulated"}, drizzle={"parameters": steps})
    assert found.cosmic_rays and not plain.cosmic_rays
    more = memory_of("astrodrizzle", found).peak - memory_of("astrodrizzle", plain).peak
    assert more == 3 * 4 * plain.output_pixels


def test_small_frames_are_a_part_of_a_megapixel() -> None:
    text = """
campaign: {name: small}
source: {kind: simulated, size: small, tiles: ['54']}
"""
    line = memory_line(of_campaign(load_campaign_text(text, "small.yaml", {})))
    assert " and 2 chips, 0.1 megapixels (the simulation)" in line
