"""Cells: mosaics on squares of the common grid, and on MAST's sky cells."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from skymosaic import load
from skymosaic.config import load_campaign
from skymosaic.config.skycell_table import tessellation
from skymosaic.methods import word as folder_of
from skymosaic.pipeline import graph
from skymosaic.pipeline.align import leave
from skymosaic.pipeline.graph import inspect_all, retrieve_each
from skymosaic.pipeline.places import open_place
from skymosaic.pipeline.sources import open_source
from skymosaic.sky.skycells import cell as sky_cell
from skymosaic.steps.execution import Here
from tests.conftest import manifests, skymosaic, tree, wait_for, write_campaign
from tests.frames import Frame, name_of, write_frames

FRAMES = (Frame(0, 0), Frame(50, 15, 5.0, 1.2), Frame(105, -20, 30.0, 1.1))
METHODS = ("localmin", "match", "match-differences")
KINDS = {"science": "_sci", "weight": "_wht", "error": "_err"}
CORNER = (85.3112, -2.3567)
"""Near a corner of sky cells of MAST's at the coarse scale, which four of them share."""


def campaign(path: Path, data: Path, grid: Mapping[str, Any] | None, **sections: Any) -> Path:
    drizzle = {
        **{"engine": "onepass", "witness": False, "parameters": {"context": True}},
        **({} if grid is None else {"grid": dict(grid)}),
        **sections.pop("drizzle", {}),
    }
    sections = {"sky": {"methods": list(METHODS)}, **sections}
    return write_campaign(
        path,
        source={"kind": "directory", "path": str(data)},
        align="none",
        store={"uri": "store"},
        drizzle=drizzle,
        **sections,
    )


def drizzled(file: Path) -> Path:
    """Do the steps of a campaign up to its mosaics and cells, here; return its folder."""
    campaign = load_campaign(file)
    source, place, calls = open_source(campaign.source), open_place(campaign), Here()
    retrieved = retrieve_each(calls, campaign, place, source, source.parcels())
    inspected = inspect_all(calls, campaign, place, retrieved)
    aligned = leave(place, inspected)
    first = graph.FirstTasks(retrieved, inspected, aligned)
    prepared = graph.prepare(calls, campaign, place, first)
    runs = graph.drizzle_each(calls, campaign, place, prepared)
    graph.make_cells(calls, campaign, place, prepared, runs)
    return file.parent / "store" / file.stem


def listed(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the entries of the list of cells, by name."""
    document = json.loads((folder / "cells" / "cells.json").read_text())
    table = Table.read(folder / "cells" / "cells.ecsv", format="ascii.ecsv")
    assert list(table["cell"]) == [one["name"] for one in document["cells"]]
    return {one["name"]: one for one in document["cells"]}


def corner_of(cell: fits.Header, whole: fits.Header) -> tuple[int, int]:
    """Return columns and rows before a cell, which must be whole pixels of the other grid."""
    shift = [whole[f"CRPIX{axis}"] - cell[f"CRPIX{axis}"] for axis in (1, 2)]
    assert shift == pytest.approx(np.round(shift), abs=1e-9)
    return round(shift[0]), round(shift[1])


def whole_of(folder: Path, method: str) -> Path:
    """Return the folder of the mosaic on the common grid."""
    return folder / "runs" / folder_of(method)


def require_parts(folder: Path, rootnames: Sequence[str], chips: int = 1) -> int:
    """Compare square cells with the mosaics of the common grid; return how many planes there are.

    A bit of the context is a chip: of a cell, one of those that touch it.
    """
    planes = 0
    covered = {}
    for name, entry in listed(folder).items():
        numbers = [
            chips * rootnames.index(one) + n for one in entry["exposures"] for n in range(chips)
        ]
        for method, files in entry["mosaics"].items():
            for kind, word in KINDS.items():
                if kind not in files:
                    continue
                path = folder / files[kind]
                whole = path.name.replace(f"_{name}_", "_")
                header = fits.getheader(path)
                pixels = fits.getdata(path)
                x, y = corner_of(header, fits.getheader(whole_of(folder, method) / whole))
                part = np.s_[y : y + pixels.shape[0], x : x + pixels.shape[1]]
                expected = fits.getdata(whole_of(folder, method) / whole)[part]
                planes += 1
                if kind == "error":
                    # What pixels share with those of the next cells is in it, too.
                    np.testing.assert_allclose(pixels, expected, rtol=1e-6, err_msg=name)
                    continue
                # A pixel in many thousands is rounded to the next float32: its place on the sky is
                # computed from another corner.
                what = f"{name} {method} {word}"
                np.testing.assert_allclose(pixels, expected, rtol=1e-7, atol=0, err_msg=what)
                assert np.isclose(pixels, expected, 0, 0, equal_nan=True).mean() > 0.9999, what
            covered[name] = int((fits.getdata(folder / files["weight"]) > 0).sum())
            context = fits.getdata(folder / files["context"]).astype(np.uint32)
            whole = (folder / files["context"]).name.replace(f"_{name}_", "_")
            expected = fits.getdata(whole_of(folder, method) / whole).astype(np.uint32)[part]
            for bit, number in enumerate(numbers):
                own, theirs = context >> bit & 1, expected >> number & 1
                np.testing.assert_array_equal(own, theirs, err_msg=f"{name} {number}")
            left = expected.copy()
            for number in numbers:
                left &= ~np.uint32(1 << number)
            assert not left.any()  # nobody else is seen there
    (weight,) = whole_of(folder, "match").glob("*_match_d??_wht.fits")
    assert sum(covered.values()) == (fits.getdata(weight) > 0).sum()  # no pixel is lost
    return planes


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cells") / "data"
    folder.mkdir()
    write_frames(folder, FRAMES)
    return folder


@pytest.mark.campaign
def test_squares_are_the_one_mosaic_cut_in_pieces(data: Path, tmp_path: Path) -> None:
    grid = {"cells": {"layout": "square", "size": [100, 110]}}
    sky = {"methods": list(METHODS), "planes": True, "variants": {"own": {"values": {}}}}
    sky["variants"]["own"]["values"] = {name_of(n): 1.0 + n for n in range(3)}
    file = campaign(
        *(tmp_path / "squares.yaml", data, grid), sky=sky, drizzle={"products": ["err"]}
    )
    folder = drizzled(file)
    cells = listed(folder)
    assert len(cells) >= 4
    names = [name_of(number) for number in range(3)]
    assert require_parts(folder, names) == len(cells) * 4 * 3
    # Some cells are touched by some exposures alone, and their headers tell of these.
    few = next(one for one in cells.values() if 0 < len(one["exposures"]) < 3)
    header = fits.getheader(folder / few["mosaics"]["match"]["science"])
    assert header["NDRIZIM"] == len(few["exposures"])
    assert header["CELLNAME"] == few["name"]
    assert header["STEPKEY"] == manifests(folder)[f"cells/{few['name']}"]["key"]
    before = tree(folder)
    assert drizzled(file) == folder
    assert tree(folder) == before  # everything had been done


@pytest.mark.campaign
def test_an_exposure_beside_a_cell_counts_in_its_error_plane(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_frames(data, [Frame(0, 0), Frame(88, 0)])
    # The first cell ends some pixels before the first exposure begins.
    folder = drizzled(
        campaign(
            tmp_path / "near.yaml",
            data,
            {"cells": {"layout": "square", "size": [107, 200]}},
            sky={"methods": ["match"]},
            drizzle={"products": ["err"]},
        )
    )
    cells = manifests(folder)["plan"]["result"]["cells"]
    assert [(one["exposures"], one.get("near")) for one in cells] == [
        ([name_of(1)], [name_of(0)]),
        ([name_of(0), name_of(1)], None),
    ]
    assert require_parts(folder, [name_of(0), name_of(1)]) == 6


def test_sky_cells_are_what_a_run_on_each_of_them_makes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_frames(data, FRAMES[:2], centre=CORNER)
    folder = drizzled(
        campaign(
            *(tmp_path / "cells.yaml", data, {"cells": {"layout": "skycells", "names": "hap"}}),
            sky={"methods": ["localmin", "match"]},
        )
    )
    cells = listed(folder)
    assert len(cells) == 4
    assert {len(one["exposures"]) for one in cells.values()} >= {2}
    for entry in cells.values():
        whole = sky_cell(entry["name"], "coarse", tessellation()).grid
        science = folder / entry["mosaics"]["match"]["science"]
        assert science.name == f"hst_{entry['name']}_wfc3_ir_f160w_coarse-all-match_drz_sci.fits"
        header = fits.getheader(science)
        assert (header["CRVAL1"], header["CRVAL2"]) == pytest.approx(whole.crval, abs=1e-12)
        assert (header["CELLPIX1"], header["CELLPIX2"]) == whole.crpix
        corner = (header["CELLX0"], header["CELLY0"])
        assert header["CRPIX1"] + corner[0] == pytest.approx(whole.crpix[0], abs=1e-9)
        assert header["CRPIX2"] + corner[1] == pytest.approx(whole.crpix[1], abs=1e-9)
        assert np.ravel(whole.cd) == pytest.approx(
            [header[f"CD{i}_{j}"] for i in (1, 2) for j in (1, 2)], rel=1e-12, abs=1e-18
        )
    both = next(name for name, one in cells.items() if len(one["exposures"]) == 2)
    # The same skies, measured on the exposures themselves, make the same pixels there.
    alone = drizzled(
        campaign(
            *(tmp_path / "alone.yaml", data, {"skycell": both}),
            sky={"methods": ["localmin", "match"]},
        )
    )
    for method in ("localmin", "match"):
        for kind, word in (("science", "sci"), ("weight", "wht"), ("context", "ctx")):
            (expected,) = whole_of(alone, method).glob(f"alone_{method}_drz_{word}.fits")
            own = folder / cells[both]["mosaics"][method][kind]
            np.testing.assert_array_equal(fits.getdata(own), fits.getdata(expected))


def test_what_touches_no_cell_leaves_it_alone(data: Path, tmp_path: Path) -> None:
    """Another exposure, in other sky cells: those that it does not touch are not made anew."""
    own = tmp_path / "data"
    shutil.copytree(data, own)
    sky = {"methods": ["localmin"], "static": "none"}
    file = campaign(tmp_path / "grows.yaml", own, {"cells": {"layout": "skycells"}}, sky=sky)
    folder = drizzled(file)
    before = manifests(folder)
    more = tmp_path / "more"
    more.mkdir()
    write_frames(more, [*FRAMES, Frame(0, 8000)])
    shutil.copy(more / f"{name_of(3)}_flt.fits", own)
    drizzled(file)
    after = manifests(folder)
    old = {step for step in before if step.startswith("cells/skycell")}
    assert old
    assert {after[step]["started"] for step in old} == {before[step]["started"] for step in old}
    assert all(after[step]["key"] == before[step]["key"] for step in old)
    assert {step for step in after if step.startswith("cells/skycell")} > old
    assert after["runs/localmin"]["key"] != before["runs/localmin"]["key"]
    assert set(listed(folder)) == {
        step.removeprefix("cells/") for step in after if step.startswith("cells/skycell")
    }


@pytest.mark.campaign
def test_a_cell_whose_pixels_are_masked_is_left_out_and_said(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (name,) = write_frames(data, [Frame(0, 0)])
    with fits.open(data / name, mode="update") as hdus:
        hdus["DQ"].data[:, :40] |= 4
    sky = {"methods": ["localmin"]}
    grid = {"cells": {"layout": "square", "size": [25, 200]}}
    file = campaign(tmp_path / "masked.yaml", data, grid, sky=sky)
    ended = skymosaic("run", file, "--workers", "1")
    assert ended.code == 0, ended.err
    folder = tmp_path / "store" / "masked"
    empty = json.loads((folder / "cells" / "cells.json").read_text())["empty"]
    assert empty
    assert not set(empty) & set(listed(folder))
    assert "left out, because the masks leave no pixel there" in ended.err
    assert not any((folder / "cells" / name).exists() for name in empty)
    run = load(folder)
    assert run.complete
    assert set(run.cells) == set(listed(folder))
    report = (folder / "comparison" / "report.html").read_text()
    assert all(name in report for name in (*empty, *run.cells))


@pytest.mark.campaign
def test_a_run_that_was_killed_goes_on_at_the_next_cell(
    data: Path, tmp_path: Path, started: Callable[..., subprocess.Popen[str]]
) -> None:
    sky = {"methods": ["localmin"]}
    grid = {"cells": {"layout": "square", "size": 70}}
    file = campaign(tmp_path / "killed.yaml", data, grid, sky=sky)
    folder = tmp_path / "store" / "killed"
    process = started("run", file, "--workers", "1")
    made = folder / "manifests" / "cells"
    wait_for(lambda: len(list(made.glob("x*.json"))) > 1, "some cells")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = {step: one for step, one in manifests(folder).items() if step.startswith("cells/")}
    assert "cells/index" not in before
    status = json.loads(skymosaic("status", folder, "--json").out)
    assert "cells" in {task["name"] for task in status["tasks"]}
    broken = load(folder)
    assert "cells" in {one.part for one in broken.missing}
    assert set(broken.cells) <= {step.removeprefix("cells/") for step in manifests(folder)}
    ended = skymosaic("run", file, "--workers", "2", "--wait")
    assert ended.code == 0, ended.err
    after = manifests(folder)
    assert len([step for step in after if step.startswith("cells/x")]) > len(before)
    for step, one in before.items():
        assert after[step]["started"] == one["started"], step
    assert load(folder).complete
    whole = skymosaic("verify-store", folder)
    assert (whole.code, "; 0 damaged or missing" in whole.out) == (0, True)
    # Cells of another size: those of the former one are forgotten, and their files go.
    campaign(file, data, {"cells": {"layout": "square", "size": 1000}}, sky=sky)
    assert skymosaic("run", file, "--workers", "1").code == 0
    assert set(load(folder).cells) == {"x01y01"}
    assert skymosaic("clean", folder).code == 0
    assert {path.name for path in (folder / "cells").iterdir() if path.is_dir()} == {"x01y01"}


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_squares_of_two_chips_with_cosmic_rays(tmp_path: Path) -> None:
    data = tmp_path / "data"
    arguments = ("--instrument", "acs-wfc", "--size", "small", "--tile", "01", "--tile", "02")
    assert skymosaic("simulate", data, *arguments, "--dithers", "2").code == 0
    grid = {"cells": {"layout": "square", "size": 300}}
    folder = drizzled(
        campaign(tmp_path / "acs.yaml", data, grid, sky={"methods": ["localmin", "match"]})
    )
    rootnames = manifests(folder)["inspection"]["result"]["exposures"]
    names = [one["rootname"] for one in rootnames]
    assert require_parts(folder, names, chips=2) == len(listed(folder)) * 2 * 2
    search = manifests(folder)["runs/match"]["result"]["cosmic_rays"]
    assert sum(one["hit"] or 0 for one in search["chips"]) > 1000
