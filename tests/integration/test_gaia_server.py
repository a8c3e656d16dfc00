"""astroquery's Gaia client, unpatched, against a stand-in that speaks TAP over a socket."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
from astropy.table import Table

from skymosaic.align.reference_files import FILE
from skymosaic.archive.directory import Directory
from skymosaic.archive.gaia.circles import Circle, within
from skymosaic.archive.gaia.selection import Selection
from skymosaic.archive.gaia.server import ask
from skymosaic.config import load_campaign_text
from skymosaic.errors import InputError, UnreachableError
from skymosaic.pipeline.inspect import inspect
from skymosaic.pipeline.reference import list_reference
from skymosaic.pipeline.retrieve import retrieve
from skymosaic.pipeline.rules import Rules
from skymosaic.steps.place import Place
from skymosaic.store.local import LocalStore
from tests.frames import Frame, write_frames
from tests.gaia_standin import Server, serving
from tests.unit.gaia_stars import gaia_stars

pytestmark = pytest.mark.slow  # astroquery takes seconds to import, in a process of its own

CIRCLES = (Circle(85.0, -2.4, 0.1), Circle(85.12, -2.4, 0.1))
TABLE = "gaiadr3.gaia_source"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server(gaia_stars())) as held:
        yield held


def asked(server: Server, tmp_path, selection=None, wait=60.0, patience=20.0):
    selection = selection or Selection(CIRCLES)
    return ask(server.url, TABLE, selection, tmp_path / "a", tmp_path / "log", wait, patience)


def test_overlapping_circles_give_each_star_once(server, tmp_path) -> None:
    stars = asked(server, tmp_path)
    there = within(CIRCLES, np.asarray(server.stars["ra"]), np.asarray(server.stars["dec"]))
    assert 20 < len(stars) == there.sum()
    assert set(stars["source_id"]) == set(server.stars["source_id"][there])
    assert len(server.queries) == 2
    assert len(server.removed) == 2  # nothing is left on the server
    # Nobody asks another host, and all by jobs.
    assert not any("sync" in one and "async" not in one for one in server.requests)
    assert stars["pmra"].mask.sum() == (there & server.stars["pmra"].mask).sum() > 0


def test_limits_of_magnitude_and_quality_are_asked_for(server, tmp_path) -> None:
    selection = Selection(CIRCLES[:1], 13.0, 19.5, max_ruwe=1.4, need_motion=True)
    stars = asked(server, tmp_path, selection)
    assert stars["phot_g_mean_mag"].min() >= 13.0
    assert stars["phot_g_mean_mag"].max() <= 19.5
    assert stars["ruwe"].max() <= 1.4
    assert not np.ma.getmaskarray(stars["pmra"]).any()
    assert len(stars) == selection.holds(server.stars).sum() > 3


@pytest.mark.parametrize("fault", ["500", "unavailable", "truncated", "cut", "aborted"])
def test_what_fails_once_is_asked_again(server, tmp_path, fault) -> None:
    server.faults = [fault]
    assert len(asked(server, tmp_path)) > 20
    assert len(server.queries) == 3


@pytest.mark.parametrize(
    ("fault", "message"),
    [("500", r"Internal Server Error"), ("truncated", r"no whole|IncompleteRead"),
     ("cut", "no whole VOTable")],
)  # fmt: skip
def test_a_server_that_is_not_well_is_named_with_a_remedy(server, tmp_path, fault, message) -> None:
    server.faults = [fault] * 9
    with pytest.raises(UnreachableError, match=message) as error:
        asked(server, tmp_path)
    assert server.url in str(error.value)
    assert "try again later" in str(error.value)
    assert error.value.exit_code == 12


def test_a_job_that_fails_is_told_in_the_servers_words(server, tmp_path) -> None:
    server.faults = ["error"]
    with pytest.raises(InputError, match="the job ran out of time"):
        asked(server, tmp_path)


def test_a_table_that_is_not_there_is_named(server, tmp_path) -> None:
    with pytest.raises(InputError, match=r"Cannot find table 'gaiadr9\.x'"):
        ask(server.url, "gaiadr9.x", Selection(CIRCLES), tmp_path / "a", tmp_path / "log", 60.0)


def test_a_server_that_hangs_is_given_up(server, tmp_path) -> None:
    server.faults = ["hang"] * 9
    started = time.monotonic()
    with pytest.raises(UnreachableError, match=r"took longer than 6 s \(align\.reference\.wait\)"):
        asked(server, tmp_path, wait=6.0)
    assert time.monotonic() - started < 12


def test_a_slow_answer_is_asked_for_again(server, tmp_path) -> None:
    server.faults = ["hang"]
    assert len(asked(server, tmp_path, patience=2.0)) > 20


def test_more_stars_than_allowed_are_refused_and_not_cut(server, tmp_path) -> None:
    with pytest.raises(InputError, match=r"more than 5 stars.*max_rows.*brighter magnitude"):
        asked(server, tmp_path, Selection(CIRCLES, max_rows=5))


def test_an_answer_that_the_server_cuts_is_refused(server, tmp_path) -> None:
    server.max_rows = 5
    with pytest.raises(InputError, match=r"cuts its answer after 5 rows, so that stars are miss"):
        asked(server, tmp_path)


def test_nobody_listening_is_unreachable(tmp_path) -> None:
    with serving(Server(gaia_stars(10))) as held:
        gone = held.url
    with pytest.raises(UnreachableError, match="Connection refused"):
        ask(gone, TABLE, Selection(CIRCLES), tmp_path / "a", tmp_path / "log", 60.0)


def test_what_was_fetched_is_kept_and_nobody_is_asked_again(tmp_path) -> None:
    (tmp_path / "data").mkdir()
    write_frames(tmp_path / "data", [Frame(0, 0, pixels=64), Frame(5, 0, pixels=64)])
    place = Place(LocalStore(tmp_path / "store"), "field", tmp_path / "scratch")
    source = Directory(tmp_path / "data")
    retrieved = [retrieve(place, source, Rules(), parcel) for parcel in source.parcels()]
    inspected = inspect(place, retrieved, Rules())
    ra, dec = np.mean(inspected.result.exposures[0].polygons[0], axis=0)

    def listed(more: str = ""):
        text = (
            "campaign: {name: field}\nsource: {kind: directory, path: data}\n"
            f"align: {{reference: {{kind: gaia, url: '{url}'{more}}}}}\n"
        )
        return list_reference(place, load_campaign_text(text, "field.yaml", {}), inspected)

    with serving(Server(gaia_stars(400, ra, dec, 0.02))) as held:
        url = held.url
        first = listed()
        assert (first.result.name, first.result.kind) == ("GAIA DR3", "gaia")
        assert first.result.stars > 30 > first.result.stars - first.result.moving > 0
        assert first.result.epochs == [2016.0, 2016.0]
        assert len(held.queries) == 1
        assert listed().reused
        assert not listed(", refresh: 2").reused
        assert len(held.queries) == 2
        assert not listed(", max_mag: 18").reused
    last = listed(", max_mag: 18")  # the server is gone
    assert last.reused
    place.store.get(last.products[FILE], tmp_path / FILE)
    head = Table.read(tmp_path / FILE, format="ascii.ecsv").meta
    assert head["query"]["max_mag"] == 18.0
    assert head["count"] == last.result.stars
    assert head["origin"] == f"gaiadr3.gaia_source at {url}"
