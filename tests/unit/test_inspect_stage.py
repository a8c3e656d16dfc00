"""Retrieving and inspecting: what is seen in pixels, judged, kept, and not made anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from skymosaic.archive.base import Parcel, Source
from skymosaic.archive.bucket import Bucket
from skymosaic.archive.directory import Directory
from skymosaic.archive.mast.files import ArchiveFile
from skymosaic.archive.mast.http import Http
from skymosaic.archive.mast.query import Query
from skymosaic.archive.mast.source import MastArchive
from skymosaic.archive.s3 import S3Folder, S3Object
from skymosaic.config import Campaign
from skymosaic.drizzle.missing_pixels import key_of_missing
from skymosaic.errors import InputError
from skymosaic.hst.exposure import Exposure
from skymosaic.pipeline.admission import rules_of
from skymosaic.pipeline.align import leave
from skymosaic.pipeline.inspect import inspect as inspect_all
from skymosaic.pipeline.results import InspectionResult
from skymosaic.pipeline.retrieve import retrieve
from skymosaic.pipeline.rules import Rules
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import NotFinishedError
from skymosaic.steps.place import Place
from skymosaic.store.local import LocalStore
from tests.raw_server import Request, head, raw_server
from tests.unit.small_fits import write_exposure
from tests.unit.test_health import change, write_healthy

NAMES = ("ibxl54aaq", "ibxl54bbq", "ibxl54ccq")


@pytest.fixture
def data(tmp_path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in NAMES:
        write_healthy(folder / f"{name}_flt.fits")
    return folder


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(LocalStore(tmp_path / "store"), "field", tmp_path)


def rules(data: Path, *, on_bad_file: str = "refuse", **parameters: Any) -> Rules:
    source = {"kind": "directory", "path": str(data), "on_bad_file": on_bad_file}
    given = {"campaign": {"name": "field"}, "source": source}
    return rules_of(Campaign.model_validate({**given, "sky": {"parameters": parameters}}))


def inspect(place: Place, data: Path, judged_by: Rules) -> Finished[InspectionResult]:
    source = Directory(data)
    each = [retrieve(place, source, judged_by, parcel) for parcel in source.parcels()]
    return inspect_all(place, each, judged_by)


def exposures(done: Finished[InspectionResult]) -> list[Exposure]:
    return done.result.exposures


def forget_what_was_seen(place: Place) -> None:
    """Make the manifests of retrieved files as older versions wrote them."""
    for name in NAMES:
        key = place.key("manifests", f"pristine/{name}_flt.json")
        manifest = place.store.read_json(key)
        manifest = {name: value for name, value in manifest.items() if name != "checksum"}
        for image in manifest["result"]["images"]:
            del image["health"], image["lacks"]
        place.store.write_json(key, manifest)


def test_what_was_seen_is_known_and_tabulated(place, data, tmp_path) -> None:
    change(data / "ibxl54bbq_flt.fits", "SCI", 1, (0, 0), np.nan)  # which is flagged
    done = inspect(place, data, rules(data))
    assert [e.health[0].flagged_missing for e in exposures(done)] == [0, 1, 0]
    table = Table.read(tmp_path / "store" / "field" / "inspection" / "exposures.ecsv")
    assert list(table["nan_flagged"]) == [0, 1, 0]
    assert np.all((table["good"] > 0.99) & (table["good"] < 1))
    [line] = done.result.warnings
    assert "ibxl54bbq_flt.fits" in line and "1 pixel)" in line
    # The pristine copy is the user's file, byte by byte.
    for kind in ("SCI", "DQ"):
        pixels = fits.getdata(tmp_path / "store/field/pristine/ibxl54bbq_flt.fits", (kind, 1))
        assert pixels.tobytes() == fits.getdata(data / "ibxl54bbq_flt.fits", (kind, 1)).tobytes()
    assert key_of_missing(exposures(leave(place, done))) == {"missing": 1, "filled": "median"}


def test_nothing_is_done_twice(place, data) -> None:
    assert not inspect(place, data, rules(data)).reused
    assert inspect(place.only_finished(), data, rules(data)).reused


def test_an_exposure_that_cannot_be_measured_stops_the_campaign(place, data) -> None:
    change(data / "ibxl54bbq_flt.fits", "DQ", 1, np.s_[:], 4)
    with pytest.raises(InputError, match=r"ibxl54bbq_flt\.fits\[SCI,1\]: DQ flags every") as caught:
        inspect(place, data, rules(data))
    assert caught.value.exit_code == 4
    with pytest.raises(NotFinishedError):
        inspect(place.only_finished(), data, rules(data))


def test_it_is_left_out_where_the_file_says_so_and_only_there(place, data) -> None:
    change(data / "ibxl54bbq_flt.fits", "SCI", 1, np.s_[:], 0.0)
    done = inspect(place, data, rules(data, on_bad_file="leave_out"))
    assert [e.rootname for e in exposures(done)] == ["ibxl54aaq", "ibxl54ccq"]
    assert any("ibxl54bbq_flt.fits[SCI,1]" in line for line in done.result.warnings)
    assert inspect(place.only_finished(), data, rules(data, on_bad_file="leave_out")).reused
    with pytest.raises(InputError, match="every good pixel is 0"):
        inspect(place, data, rules(data))


def test_other_flags_look_at_the_pixels_again(place, data) -> None:
    change(data / "ibxl54bbq_flt.fits", "DQ", 1, np.s_[:], 4)
    with pytest.raises(InputError, match="sky_bits"):  # the remedy that is named
        inspect(place, data, rules(data))
    done = inspect(place, data, rules(data, sky_bits=4))
    assert [e.health[0].good for e in exposures(done)] == [256, 256, 256]
    assert inspect(place.only_finished(), data, rules(data, sky_bits=4)).reused


def test_what_older_versions_finished_stays_finished(place, data) -> None:
    inspect(place, data, rules(data))
    forget_what_was_seen(place)
    place.store.delete(place.key("manifests", "inspection.json"))
    # An inspection that begins now looks at the pixels; its key is that of older versions.
    done = inspect(place, data, rules(data))
    assert not done.reused and all(e.health for e in exposures(done))
    manifest = place.store.read_json(place.key("manifests", "inspection.json"))
    assert set(manifest["parameters"]) == {"record"}
    assert inspect(place.only_finished(), data, rules(data)).reused


def test_what_older_versions_retrieved_is_judged_too(place, data) -> None:
    change(data / "ibxl54bbq_flt.fits", "SCI", 1, (5, 5), np.nan)
    judged_by, source = rules(data), Directory(data)
    for parcel in source.parcels():
        retrieve(place, source, judged_by, parcel)
    forget_what_was_seen(place)
    with pytest.raises(
        InputError, match=r"ibxl54bbq.*1 pixel that DQ does not mask is not a number"
    ):
        inspect(place, data, judged_by)


@pytest.fixture
def served(data, tmp_path, monkeypatch) -> Iterator[Callable[[str], tuple[Source, list[Parcel]]]]:
    """Serve the files of a folder as the archive does, or as a bucket."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with raw_server() as server:

        def answer(request: Request) -> tuple[bytes]:
            [path] = [path for path in data.iterdir() if path.name in request.line]
            content = path.read_bytes()
            return (head(200, ("Content-Length", len(content))) + content,)

        def source_of(kind: str) -> tuple[Source, list[Parcel]]:
            files = [(path.name, path.stat().st_size) for path in sorted(data.iterdir())]
            if kind == "s3":
                s3 = [S3Object(name, size, f"x/{name}", "") for name, size in files]
                bucket = Bucket("b", server.url)
                return S3Folder(bucket), [
                    Parcel(one.name[:-5], {"bucket": "b", "file": vars(one)}) for one in s3
                ]
            mast = [
                ArchiveFile(name, size, "FLT", "1", "T", "WFC3/IR", "F160W", "PUBLIC", "")
                for name, size in files
            ]
            archive = MastArchive(Query(proposal_id=("1",)), (Http(server.url),))
            return archive, [Parcel(one.name[:-5], {"file": vars(one)}) for one in mast]

        server.answer = answer
        yield source_of


def no_fits(path: Path) -> None:
    path.write_bytes(b"<html>moved</html>" * 200)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 // 2880 * 2880])


def without_flags(path: Path) -> None:
    path.unlink()
    write_exposure(path, without=[("DQ", 1)])


@pytest.mark.parametrize("kind", ["mast", "s3"])
@pytest.mark.parametrize("damage", [no_fits, cut_off, without_flags])
def test_a_fetched_file_that_cannot_be_read_is_left_out_where_the_file_says_so(
    place, data, served, kind, damage
) -> None:
    bad = data / "ibxl54bbq_flt.fits"
    whole = bad.read_bytes()
    damage(bad)
    source, parcels = served(kind)

    def inspected(place: Place, judged_by: Rules) -> Finished:
        each = [retrieve(place, source, judged_by, parcel) for parcel in parcels]
        return inspect_all(place, each, judged_by)

    with pytest.raises(InputError, match=r"^ibxl54bbq_flt\.fits.*on_bad_file: leave_out"):
        inspected(place, Rules())
    leave_out = Rules(leave_out=True)
    done = inspected(place, leave_out)
    assert [e.rootname for e in exposures(done)] == ["ibxl54aaq", "ibxl54ccq"]
    assert any(line.startswith("Left out: ibxl54bbq") for line in done.result.warnings)
    assert inspected(place.only_finished(), leave_out).reused
    # Who wants all of them gets it once it is put right.
    with pytest.raises(NotFinishedError):
        inspected(place.only_finished(), Rules())
    with pytest.raises(InputError, match=r"ibxl54bbq_flt\.fits"):
        inspected(place, Rules())
    bad.write_bytes(whole)
    _, parcels = served(kind)
    assert len(exposures(inspected(place, Rules()))) == 3


def test_what_comes_in_place_of_a_file_is_no_bad_file(place, data, served) -> None:
    source, parcels = served("mast")
    no_fits(data / "ibxl54bbq_flt.fits")  # a page of the archive: the list knows another size
    with pytest.raises(InputError, match="maintenance"):
        for parcel in parcels:
            retrieve(place, source, Rules(leave_out=True), parcel)
