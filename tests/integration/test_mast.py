"""Retrieval from a stand-in for MAST, by the real astroquery: what comes, and what goes wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import manifests, skymosaic, wait_for, write_campaign
from tests.mast_standin import Archive, configuration, mast_standin

SOURCE = {
    "kind": "mast",
    "proposal_id": [12812],
    "filters": ["F160W"],
    "download": "mast",
    "downloads": 1,  # each is a worker, which takes a second to start
}
FILES = {
    *("ibxl51030_drz.fits", "ibxl51eoq_flt.fits", "ibxl51etq_flt.fits"),
    *("ibxl54030_drz.fits", "ibxl54bgq_flt.fits", "ibxl54blq_flt.fits"),
}
QUERIES = """
import json, sys
from skymosaic.config import load_campaign
from skymosaic.errors import InputError
from skymosaic.pipeline import sources
for path in sys.argv[1:]:
    try:
        found = sources.query(load_campaign(path))
        answer = {"files": [file.name for file in found.files], "refused": found.refused}
    except InputError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))
"""
"""Asks for several campaigns in one process, which reads astroquery's configuration but once."""


@dataclass
class Mast:
    """A stand-in, the environment that points to it, and a folder for a campaign."""

    archive: Archive
    environment: dict[str, str]
    folder: Path

    def campaign(self, **changes: object) -> Path:
        """Write a campaign file."""
        return write_campaign(
            self.folder / "mm.yaml",
            source={**SOURCE, **changes},
            align="none",
            sky={"methods": ["match"]},
        )

    def call(self, command: str, *options: str, **changes: object):
        """Run a command on the campaign."""
        arguments = [command, self.campaign(**changes), *options]
        if command != "query":
            arguments += ["--store", self.folder / "store", "--workers", "1"]
        return skymosaic(*arguments, env=self.environment)

    def queries(self, *changes: dict[str, object]) -> list[dict[str, Any]]:
        """Return what the archive answers to each of several campaigns."""
        files = []
        for index, one in enumerate(changes):
            files.append(self.folder / f"query{index}.yaml")
            shutil.copy(self.campaign(**one), files[-1])
        done = subprocess.run(
            [sys.executable, "-c", QUERIES, *files],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    @property
    def pristine(self) -> set[str]:
        """Names of the files that arrived."""
        steps = manifests(self.folder / "store" / "mm")
        return {name for step in steps if "pristine" in step for name in steps[step]["products"]}


@pytest.fixture
def mast(simulated_files: Path, tmp_path: Path) -> Iterator[Mast]:
    data = tmp_path / "archive"
    shutil.copytree(simulated_files, data)
    archive = Archive()
    archive.add_folder(data)
    with mast_standin(archive) as url:
        yield Mast(archive, configuration(tmp_path / "home", url), tmp_path)


def test_a_query_shows_what_would_be_fetched_and_fetches_nothing(mast: Mast) -> None:
    ended = mast.call("query")
    assert ended.code == 0, ended.err
    assert all(name in ended.out for name in FILES)
    assert "hst_" not in ended.out  # the archive's own mosaics
    size = sum(mast.archive.files[name].stat().st_size for name in FILES)
    assert f"6 files, {size / 1e6:.1f} MB" in ended.out
    assert "12812 HORSEHEAD WFC3/IR F160W: 4 exposures, 2 drizzled images" in ended.out
    assert not mast.archive.sent


def test_criteria(mast: Mast) -> None:
    cases: list[tuple[dict[str, object], set[str]]] = [
        ({"obs_id": ["ibxl54*"]}, {name for name in FILES if "54" in name}),
        ({"obs_id": ["ibxl51030"]}, {name for name in FILES if "51" in name}),
        ({"kinds": ["FLT"]}, {name for name in FILES if "flt" in name}),
        ({"end": 56000.5}, {name for name in FILES if "51" in name}),
        ({"start": "2012-03-14T12:00"}, {name for name in FILES if "54" in name}),
        ({"target": ["HORSEHEAD"], "instrument": ["WFC3/IR"]}, FILES),
        ({"coordinates": "85.24d -2.45d", "radius": 0.5}, FILES),
    ]
    answers = mast.queries(*(criteria for criteria, _ in cases))
    for (criteria, expected), answer in zip(cases, answers, strict=True):
        assert set(answer["files"]) == expected, criteria


def test_a_query_that_finds_too_little_or_too_much(mast: Mast) -> None:
    ended = mast.call("inspect", proposal_id=[99999])
    assert ended.code == 4
    assert "finds 0 files" in ended.err
    cases: list[tuple[dict[str, object], str]] = [
        ({"max_files": 5}, "finds 6 files, where 1 to 5 are allowed"),
        ({"min_files": 7}, "finds 6 files, where 7 to 2000 are allowed"),
        ({"projects": ["CALACS"]}, "there are also products of CALWF3, HAP (source.projects)"),
    ]
    answers = mast.queries(*(criteria for criteria, _ in cases))
    for (criteria, message), answer in zip(cases, answers, strict=True):
        assert message in answer["error"], criteria
    assert not mast.archive.sent


@pytest.mark.campaign
def test_a_campaign_from_the_archive_and_a_second_run(mast: Mast) -> None:
    ended = mast.call("run")
    assert ended.code == 0, ended.err
    assert mast.pristine == FILES
    assert "ibxl54blq" in ended.out
    sent = mast.archive.sent.copy()
    assert sent == {name: mast.archive.files[name].stat().st_size for name in FILES}
    again = mast.call("run")
    assert again.code == 0
    assert "nothing was run again" in again.err
    assert mast.archive.sent == sent


def stored(mast: Mast, name: str) -> bytes:
    return (mast.folder / "store" / "mm" / "pristine" / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["503", "drop", "429", "wrong checksum"])
def test_what_may_pass_is_tried_again(mast: Mast, fault: str) -> None:
    mast.archive.faults["ibxl51eoq_flt.fits"] = [fault, fault]
    ended = mast.call("inspect")
    assert ended.code == 0, ended.err
    assert mast.pristine == FILES
    for name in FILES:
        assert stored(mast, name) == mast.archive.files[name].read_bytes()


def test_after_faults_that_pass_all_arrive_and_a_private_file_by_the_token(mast: Mast) -> None:
    fails, drops, private = "ibxl51eoq_flt.fits", "ibxl51etq_flt.fits", "ibxl54bgq_flt.fits"
    mast.archive.faults |= {fails: ["503", "503"], drops: ["drop", "drop"]}
    mast.archive.private[private] = "tokenOfSkyMosaic"
    mast.environment["MAST_API_TOKEN"] = "tokenOfSkyMosaic"
    ended = mast.call("inspect")
    assert ended.code == 0, ended.err
    assert mast.pristine == FILES
    for name in FILES:
        assert stored(mast, name) == mast.archive.files[name].read_bytes()
    # A download goes on where the connection broke off.
    assert mast.archive.sent[drops] == mast.archive.files[drops].stat().st_size
    assert mast.archive.requests[fails] == 3
    assert mast.archive.requests[private] == 2  # the token is shown where it is asked for
    assert mast.archive.requests["ibxl54blq_flt.fits"] == 1


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        pytest.param(
            *("503", 12, "could not be fetched from MAST in 6 tries: HTTP 503"),
            marks=pytest.mark.slow,
        ),
        ("403", 15, "public from 2013-03-14. If it is yours, set MAST_API_TOKEN"),
        ("html", 4, "the answer is not FITS"),
        pytest.param(
            *("wrong size", 4, "bytes came, but the list says 1000000"), marks=pytest.mark.slow
        ),
        pytest.param(
            *("wrong checksum", 12, "not the one that the server gives"), marks=pytest.mark.slow
        ),
    ],
)
def test_what_does_not_pass_is_named_and_the_others_arrive(
    mast: Mast, fault: str, code: int, message: str
) -> None:
    name = "ibxl51eoq_flt.fits"
    if fault == "wrong size":
        mast.archive.product(name)["size"] = 1_000_000
    else:
        mast.archive.faults[name] = [fault] * 20
    ended = mast.call("inspect")
    assert ended.code == code, ended.err
    assert name in ended.err
    assert message in ended.err
    assert mast.pristine == FILES - {name}
    mast.archive.faults.clear()
    assert not (mast.folder / "store" / "mm" / "pristine" / name).exists()


@pytest.mark.parametrize(
    "uri",
    [
        "mast:HST/product/../../../etc/ibxl51eoq_flt.fits",
        pytest.param("mast:HST/product/.ssh", marks=pytest.mark.slow),
        pytest.param("https://elsewhere.example.org/ibxl51eoq_flt.fits", marks=pytest.mark.slow),
        pytest.param("mast:HST/product/ibxl51eoq_flt.fits;rm -r x", marks=pytest.mark.slow),
    ],
)
def test_names_that_would_leave_their_folder_are_refused(mast: Mast, uri: str) -> None:
    name = "ibxl51eoq_flt.fits"
    mast.archive.product(name)["dataURI"] = uri
    [answer] = mast.queries({})
    [refused] = answer["refused"]
    assert refused.startswith(f"the archive gives the address {uri!r}")
    ended = mast.call("inspect")
    assert ended.code == 4
    assert repr(uri) in ended.err
    assert "it was not fetched" in ended.err
    assert mast.pristine == FILES - {name}
    assert name not in mast.archive.sent


def test_a_file_that_changed_in_the_archive_is_fetched_again_and_told(mast: Mast) -> None:
    assert mast.call("inspect").code == 0
    name = "ibxl51eoq_flt.fits"
    path = mast.archive.files[name]
    with path.open("ab") as file:
        file.write(b"\0" * 2880)
    mast.archive.product(name)["size"] = path.stat().st_size
    mast.archive.sent.clear()
    ended = mast.call("inspect")
    assert ended.code == 0, ended.err
    assert set(mast.archive.sent) == {name}
    assert f"{name} changed in the archive" in ended.err


def test_after_a_kill_only_the_missing_bytes_are_fetched(mast: Mast) -> None:
    name = "ibxl54blq_flt.fits"
    mast.archive.faults[name] = ["hang"]
    process = subprocess.Popen(
        [sys.executable, "-m", "skymosaic.cli", "inspect", str(mast.campaign(downloads=2)),
         "--store", str(mast.folder / "store"), "--workers", "2"],
        env={**os.environ, **mast.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    half = mast.archive.files[name].stat().st_size // 2
    wait_for(lambda: mast.pristine == FILES - {name}, "the other files")
    wait_for(lambda: mast.archive.sent[name] >= half, "half of the file")
    process.send_signal(signal.SIGKILL)
    process.wait()
    ended = mast.call("inspect")
    assert ended.code == 0, ended.err
    for file in FILES - {name}:
        assert mast.archive.sent[file] == mast.archive.files[file].stat().st_size
    # What was on its way when the process was killed is lost, and no more.
    again = mast.archive.sent[name] - mast.archive.files[name].stat().st_size
    assert 0 <= again <= 1 << 17 < half


def test_no_more_at_once_than_allowed(mast: Mast) -> None:
    mast.archive.latency = 0.2
    assert mast.call("inspect", downloads=3).code == 0
    assert mast.archive.most_at_once <= 3


def test_an_archive_that_does_not_answer(mast: Mast, tmp_path: Path) -> None:
    mast.environment |= configuration(tmp_path / "nowhere", "http://127.0.0.1:9")
    ended = mast.call("query")
    assert ended.code == 12
    assert "MAST does not answer query_criteria" in ended.err
