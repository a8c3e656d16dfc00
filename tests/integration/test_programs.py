"""A program of three targets in two filters, in one file: six mosaics, and what if one fails."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from astropy.io import fits

import skymosaic as package
from tests.conftest import manifests, skymosaic, write_campaign
from tests.mast_standin import Archive, configuration, mast_standin
from tests.s3_server import s3_server

TARGETS = ("HORSEHEAD", "NGC 2023", "IC-434")
FILTERS = ("F110W", "F160W")
GROUPS = {
    f"{target}/{filter_}": f"12812/{target.replace(' ', '_')}/{filter_}"
    for target in TARGETS
    for filter_ in FILTERS
}


def rename(path: Path, folder: Path, letter: str, filter_: str) -> None:
    """Write a copy of a file under another visit's name, taken through another filter."""
    with fits.open(path) as hdus:
        for hdu in hdus:
            for card in hdu.header.cards:
                if isinstance(card.value, str) and "ibxl" in card.value.lower():
                    new = card.value.replace("ibxl", f"ib{letter}l")
                    card.value = new.replace("IBXL", f"IB{letter.upper()}L")
        hdus[0].header["FILTER"] = filter_
        hdus.writeto(folder / path.name.replace("ibxl", f"ib{letter}l"))


@pytest.fixture
def archive(simulated_files: Path, tmp_path: Path) -> Archive:
    """Six groups of one small tile each."""
    archive = Archive()
    for letter, name in zip("abcdef", GROUPS, strict=True):
        target, filter_ = name.split("/")
        folder = tmp_path / "archive" / letter
        folder.mkdir(parents=True)
        for path in simulated_files.glob("ibxl54*_*.fits"):
            if path.stem.endswith(("_flt", "_drz")):
                rename(path, folder, letter, filter_)
        archive.add_folder(folder, target=target)
    return archive


@pytest.fixture
def environment(archive: Archive, tmp_path: Path) -> Iterator[dict[str, str]]:
    with mast_standin(archive) as url:
        yield configuration(tmp_path / "home", url)


def program(folder: Path, **sections: object) -> Path:
    return write_campaign(
        folder / "program.yaml",
        **{
            "source": {"kind": "mast", "proposal_id": [12812], "download": "mast", "downloads": 2},
            "align": "none",
            "sky": {"methods": ["localmin", "match"]},
            "groups": {"parameters": {"IC-434/F160W": {"sky": {"methods": ["globalmin"]}}}},
            **sections,
        },
    )


def test_query_has_the_groups_of_the_file(
    archive: Archive, environment: dict[str, str], tmp_path: Path
) -> None:
    def groups_in(**groups: object) -> list[str]:
        asked = skymosaic("query", program(tmp_path, groups=groups), env=environment)
        assert asked.code == 0, asked.err
        files, _, listed = asked.out.partition("\n\n18 files, ")
        assert len(files.splitlines()) == 19  # a line on top of them
        return listed.splitlines()[1:]

    each = "2 exposures, 1 drizzled image"
    assert groups_in() == [f"  {name}: {each}" for name in sorted(GROUPS)]
    filters = sorted({name.split("/")[1] for name in GROUPS})
    held = {name: sum(g.endswith(name) for g in GROUPS) for name in filters}
    assert groups_in(by=["filter"]) == [
        f"  {name}: {2 * count} exposures, {count} drizzled image{'s' * (count > 1)}"
        for name, count in held.items()
    ]
    assert groups_in(members={"mine": ["ibal*", "ibbl*"]}) == [
        "  mine: 4 exposures, 2 drizzled images"
    ]


@pytest.mark.slow
def test_six_groups_one_of_them_broken(
    archive: Archive, environment: dict[str, str], tmp_path: Path
) -> None:
    file, store = program(tmp_path), tmp_path / "store"
    query = skymosaic("query", file, env=environment)
    assert query.code == 0, query.err
    assert all(f"  {name}: 2 exposures, 1 drizzled image\n" in query.out for name in GROUPS)
    broken = "ibdl54bgq_flt.fits"  # of NGC 2023 in F160W
    archive.faults[broken] = ["html"] * 20
    ended = skymosaic("run", file, "--store", store, env=environment)
    assert ended.code == 17, ended.err
    assert "1 of 6 groups failed" in ended.err
    summary = json.loads((store / "program" / "groups.json").read_text())
    assert {group["name"]: group["state"] for group in summary} == {
        name: "failed" if name == "NGC 2023/F160W" else "done" for name in GROUPS
    }
    for name, folder in GROUPS.items():
        assert f"{name} " in ended.err  # the summary lists all of them
        results = store / "program" / folder
        assert (results / "comparison" / "report.html").exists() == (name != "NGC 2023/F160W")
    [error] = [group["error"] for group in summary if group["error"]]
    assert error["class"] == "InputError"
    assert broken in error["message"]
    own = manifests(store / "program" / GROUPS["IC-434/F160W"])
    assert [step for step in own if step.startswith("runs/")] == ["runs/globalmin"]
    status = skymosaic("status", store / "program")
    assert status.code == 21
    assert "HORSEHEAD/F110W gather" in status.out
    # Nothing that is finished is taken for litter.
    cleaned = skymosaic("clean", store / "program", "--dry-run")
    assert cleaned.out.strip() == ""

    archive.faults.clear()
    archive.sent.clear()
    again = skymosaic("run", file, "--store", store, env=environment)
    assert again.code == 0, again.err
    assert set(archive.sent) == {broken}
    assert " failed " not in again.out
    assert again.out.count(" done ") == 6
    assert skymosaic("status", store / "program").code == 0
    report = skymosaic("report", file, "--store", store)
    assert report.code == 0
    assert all(name in report.out for name in GROUPS)


def test_a_mosaic_takes_one_filter(environment: dict[str, str], tmp_path: Path) -> None:
    file = program(tmp_path, groups=None)
    ended = skymosaic("run", file, "--store", tmp_path / "store", env=environment)
    assert ended.code == 4
    assert "WFC3/IR F110W, WFC3/IR F160W" in ended.err
    assert "groups: {}" in ended.err


@pytest.fixture
def field(simulated_files: Path, tmp_path: Path) -> Path:
    """A folder with one tile in two filters."""
    folder = tmp_path / "field"
    folder.mkdir()
    for letter, filter_ in (("a", "F110W"), ("b", "F160W")):
        for path in simulated_files.glob("ibxl54*_*.fits"):
            if path.stem.endswith(("_flt", "_drz")):
                rename(path, folder, letter, filter_)
    return folder


def groups_by_prepare(text: str) -> list[str]:
    lines = iter(text.splitlines())
    count = next(int(line.split()[1]) for line in lines if line.startswith("groups: "))
    return [next(lines).strip() for _ in range(count)]


@pytest.mark.campaign
def test_a_bucket_has_the_groups_of_the_folder(field: Path, tmp_path: Path) -> None:
    common = {"align": "none", "groups": {"by": ["filter"]}}
    source = {"kind": "directory", "path": str(field)}
    here = skymosaic("prepare", write_campaign(tmp_path / "here.yaml", source=source, **common))
    assert here.code == 0, here.err
    assert groups_by_prepare(here.out) == ["F110W: 3 files", "F160W: 3 files"]
    with s3_server(tmp_path / "s3") as server:
        client = server.client()
        client.create_bucket(Bucket="own-field")
        for path in field.iterdir():
            client.upload_file(str(path), "own-field", f"deep/{path.name}")
        source = {"kind": "s3", "uri": "s3://own-field/deep", "endpoint_url": server.url}
        file = write_campaign(tmp_path / "there.yaml", source=source, **common)
        there = skymosaic("prepare", file, env={**os.environ, **server.environment})
    assert there.code == 0, there.err
    assert groups_by_prepare(there.out) == groups_by_prepare(here.out)


@pytest.mark.slow
def test_a_folder_by_a_list(field: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    file = write_campaign(
        tmp_path / "listed.yaml",
        source={"kind": "directory", "path": str(field)},
        align="none",
        sky={"methods": ["localmin"]},
        groups={"members": {"red": ["ibbl54*"], "one": ["ibbl54bgq"]}},
    )
    ended = skymosaic("run", file, "--store", store)
    assert ended.code == 0, ended.err
    left_out = "ibal54030_drz.fits, ibal54bgq_flt.fits, ibal54blq_flt.fits: left out"
    assert f"no group of groups.members names {left_out}" in ended.err
    stored = {name: manifests(store / "listed" / name) for name in ("red", "one")}
    assert {step for step in stored["one"] if step.startswith("pristine/")} == {
        "pristine/ibbl54030_drz",
        "pristine/ibbl54bgq_flt",
    }
    assert len([step for step in stored["red"] if step.startswith("pristine/")]) == 3
    run = package.load(store / "listed" / "one")
    assert (run.complete, run.methods, len(run.exposures)) == (True, ("localmin",), 1)
    # Its grid can be that of another campaign.
    like = skymosaic("prepare", file, "--set", f"drizzle.grid.like={store}/listed/red")
    assert f"grid: like {store}/listed/red" in like.out
