"""Catalogues in HATS layout: which partitions a field touches, on disk and in a bucket."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy_healpix import HEALPix

from skymosaic.archive.gaia.circles import Circle, circles_about, unit_vectors, within
from skymosaic.archive.gaia.folders import DiskFolder
from skymosaic.archive.gaia.layout import (
    Catalogue,
    Partition,
    open_catalogue,
    overlap,
    ranges_of,
)
from skymosaic.errors import InputError
from tests.hats import path_of, write_frame

CELLS = {(5, 5000): 10, (6, 20_000): 5, (7, 12_345): 3, (0, 11): 1}


def catalogue(folder: Path, data: str = "dataset/", **more) -> Catalogue:
    write_frame(folder, CELLS, **more)
    for order, cell in CELLS:
        path = path_of(folder, order, cell, data)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return open_catalogue(DiskFolder(folder))


@pytest.mark.parametrize("data", ["dataset/", ""])
@pytest.mark.parametrize("info", [True, False])
def test_partitions_are_found_by_their_list_or_by_their_files(tmp_path, data, info) -> None:
    found = catalogue(tmp_path, data, info=info)
    assert {(one.order, one.pixel) for one in found.partitions} == set(CELLS)
    assert (found.name, found.ra, found.dec, found.data) == ("gaia_dr3", "ra", "dec", data)
    name = f"{data}Norder=7/Dir=10000/Npix=12345.parquet"
    assert found.files_of(Partition(7, 12_345)) == [name]


def test_a_partition_may_be_a_folder_of_files(tmp_path) -> None:
    write_frame(tmp_path, {(3, 7): 2})
    folder = tmp_path / "dataset/Norder=3/Dir=0/Npix=7"
    folder.mkdir(parents=True)
    for name in ("b.parquet", "a.parquet", "_metadata"):
        (folder / name).write_bytes(b"")
    found = open_catalogue(DiskFolder(tmp_path))
    start = "dataset/Norder=3/Dir=0/Npix=7"
    assert found.files_of(Partition(3, 7)) == [f"{start}/a.parquet", f"{start}/b.parquet"]


def test_of_a_collection_the_primary_catalogue_is_taken(tmp_path) -> None:
    catalogue(tmp_path / "gaia_dr3")
    (tmp_path / "collection.properties").write_text("hats_primary_table_url=gaia_dr3\n")
    assert len(open_catalogue(DiskFolder(tmp_path)).partitions) == len(CELLS)
    (tmp_path / "collection.properties").write_text("hats_primary_table_url=../x\n")
    with pytest.raises(InputError, match=r"hats_primary_table_url is '\.\./x'"):
        open_catalogue(DiskFolder(tmp_path))


@pytest.mark.parametrize(
    ("order", "place"),
    [(3, (85.2, -2.4)), (6, (0.0, 89.9)), (5, (359.999, 0.0)), (6, (45.0, 41.9))],
)
def test_every_star_of_a_circle_is_in_a_partition_that_it_touches(tmp_path, order, place) -> None:
    circle = Circle(*place, 0.3)
    random = np.random.default_rng(2)
    angle, radius = random.uniform(0, 2 * np.pi, 2000), 0.3 * np.sqrt(random.uniform(0, 1, 2000))
    centre = unit_vectors(np.array(place[0]), np.array(place[1]))
    east = np.cross([0.0, 0.0, 1.0], centre)
    east /= np.linalg.norm(east)
    north = np.cross(centre, east)
    offsets = np.radians(radius)[:, None] * (
        np.cos(angle)[:, None] * east + np.sin(angle)[:, None] * north
    )
    stars = centre + offsets
    ra = np.degrees(np.arctan2(stars[:, 1], stars[:, 0])) % 360
    dec = np.degrees(np.arcsin(stars[:, 2] / np.linalg.norm(stars, axis=1)))
    assert within([circle], ra, dec).mean() > 0.99
    grid = HEALPix(nside=2**order, order="nested")
    cells = set(grid.lonlat_to_healpix(ra * u.deg, dec * u.deg).tolist())
    every = tuple(Partition(order, cell) for cell in range(12 * 4**order))
    held = Catalogue(DiskFolder(tmp_path), "x", "ra", "dec", every, "", False)
    touched = {one.pixel for one in held.touched_by(ranges_of([circle]))}
    assert cells <= touched
    assert len(touched) <= len(cells) + 6  # and few others


def test_spans_overlap_ranges_that_share_a_number() -> None:
    ranges = np.array([[10, 20], [30, 40]], dtype=np.uint64)
    first = np.array([0, 0, 19, 20, 25, 39, 40, 0], dtype=np.uint64)
    behind = np.array([10, 11, 20, 30, 31, 50, 50, 99], dtype=np.uint64)
    hit = [False, True, True, False, True, True, False, True]
    assert overlap(first, behind, ranges).tolist() == hit
    assert not overlap(first, behind, ranges[:0]).any()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "hats.properties").unlink(), r"holds no catalogue: .*partition_info\.csv"),
        (lambda f: (f / "partition_info.csv").write_text("a,b\n1,2\n"), r"no list of partitions"),
        (lambda f: (f / "partition_info.csv").write_text("Norder,Npix\n5,x\n"), r"no list of"),
        (lambda f: (f / "partition_info.csv").write_text("Norder,Npix\n1,48\n"),
         r"there is no cell 48 of order 1"),
        (lambda f: shutil.rmtree(f / "dataset"), r"has no file for Norder="),
    ],
)  # fmt: skip
def test_folders_that_are_none_are_refused(tmp_path, spoil, message) -> None:
    catalogue(tmp_path)
    spoil(tmp_path)
    with pytest.raises(InputError, match=message):
        open_catalogue(DiskFolder(tmp_path))


def test_circles_hold_all_footprints_and_neighbours_share_one() -> None:
    def tile(ra: float, dec: float) -> np.ndarray:
        size = 0.02 / np.cos(np.radians(dec))
        return np.array([(ra, dec), (ra + size, dec), (ra + size, dec + 0.02), (ra, dec + 0.02)])

    near = [tile(85.0 + 0.03 * i, -2.4 + 0.03 * j) for i in range(3) for j in range(3)]
    far = [tile(90.0, -2.4), tile(359.995, 10.0), tile(10.0, 89.5)]
    footprints = [*near, *far]
    circles = circles_about(footprints, 15 / 3600)
    assert len(circles) <= 6
    for corners in footprints:
        assert any(within([one], corners[:, 0], corners[:, 1]).all() for one in circles)
    assert max(one.radius for one in circles) < 0.2
    assert circles_about(footprints[::-1], 15 / 3600) == circles  # in whatever order they come
    assert circles_about([], 1.0) == []
