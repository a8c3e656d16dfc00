"""What is refused by what a campaign file says, before anything is fetched."""

from __future__ import annotations

import pytest
import yaml
from click.testing import CliRunner

from skymosaic.archive.base import Parcel
from skymosaic.cli.main import main
from skymosaic.config import load_campaign
from skymosaic.errors import InputError
from skymosaic.pipeline.admission import needs_onepass, require_admissible


def campaign(tmp_path, source, drizzle=None, sky=None):
    content = {"campaign": {"name": "field"}, "source": source, "align": "none"}
    content |= {"drizzle": drizzle or {"engine": "astrodrizzle"}, "sky": sky or {}}
    path = tmp_path / "field.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def mast(**more):
    return {"kind": "mast", "proposal_id": ["12812"], **more}


@pytest.mark.parametrize(
    ("source", "name", "key"),
    [
        (mast(instrument=["ACS/SBC"]), "ACS/SBC", "allow_untried"),
        (mast(instrument=["NICMOS/NIC2"]), "NICMOS/NIC2", "allow_untried"),
        ({"kind": "directory", "path": "x", "detector": "SBC"}, "SBC", "allow_untried"),
        (mast(filters=["G141"]), "G141", "allow_non_imaging"),
        ({"kind": "directory", "path": "x", "filter": "FR459M"}, "FR459M", "allow_non_imaging"),
    ],
)
def test_check_refuses_with_exit_4_and_a_key_that_allows_it(tmp_path, source, name, key) -> None:
    ended = CliRunner().invoke(main, ["check", str(campaign(tmp_path, source))])
    assert ended.exit_code == 4
    assert name in ended.output and f"source.{key}: true" in ended.output
    allowed = campaign(tmp_path, {**source, key: True})
    assert CliRunner().invoke(main, ["check", str(allowed)]).exit_code == 0


@pytest.mark.parametrize(
    "source",
    [
        mast(instrument=["WFC3/IR"], filters=["F160W"]),
        mast(instrument=["ACS*"]),
        mast(instrument=["WFPC2/WFC"]),
        mast(),
        {"kind": "directory", "path": "x", "detector": "UVIS", "filter": "F606W"},
    ],
)
def test_what_was_tried_is_admitted(tmp_path, source) -> None:
    loaded = load_campaign(campaign(tmp_path, source))
    require_admissible(loaded)
    assert needs_onepass(loaded) is None


@pytest.mark.parametrize(
    ("drizzle", "sky", "what"),
    [
        ({"engine": "onepass"}, {}, "drizzle.engine: onepass"),
        (None, {"methods": ["match", "match-differences"]}, "sky.methods: match-differences"),
        ({"engine": "astrodrizzle", "witness": True}, {}, "drizzle.witness"),
        ({"engine": "astrodrizzle", "sample": 2}, {}, "drizzle.sample"),
    ],
)
def test_the_one_pass_engine_is_refused_for_other_imagers(tmp_path, drizzle, sky, what) -> None:
    source = mast(instrument=["WFPC2/WFC"])
    with pytest.raises(InputError, match="WFPC2/WFC") as caught:
        require_admissible(load_campaign(campaign(tmp_path, source, drizzle, sky)))
    assert what in str(caught.value)
    require_admissible(
        load_campaign(campaign(tmp_path, mast(instrument=["ACS/WFC"]), drizzle, sky))
    )


def listed(instrument: str, filter_: str) -> list[Parcel]:
    named = {"instrument": instrument, "filter": filter_}
    return [
        Parcel("j8aa01aaq_flt", {"file": {"instrument": "ACS/WFC", "filter": "F606W;CLEAR2L"}}),
        Parcel("j8aa02aaq_flt", {"file": named}),
        Parcel("refused", {}),
    ]


@pytest.mark.parametrize(
    ("instrument", "filter_", "key"),
    [
        ("ACS/SBC", "F140LP", "allow_untried"),
        ("ACS/WFC", "CLEAR1L;G800L", "allow_non_imaging"),
    ],
)
def test_what_the_archive_lists_is_refused_before_it_is_fetched(
    tmp_path, instrument, filter_, key
) -> None:
    parcels = listed(instrument, filter_)
    with pytest.raises(InputError, match=rf"of j8aa02aaq_flt.*source\.{key}: true"):
        require_admissible(load_campaign(campaign(tmp_path, mast())), parcels)
    require_admissible(load_campaign(campaign(tmp_path, mast(**{key: True}))), parcels)
    require_admissible(load_campaign(campaign(tmp_path, mast())), listed("WFC3/IR", "F160W"))


def test_what_the_archive_lists_is_refused_for_the_one_pass_engine(tmp_path) -> None:
    one = load_campaign(campaign(tmp_path, mast(), {"engine": "onepass"}))
    with pytest.raises(InputError, match="instrument of j8aa02aaq_flt is WFPC2/WFC"):
        require_admissible(one, listed("WFPC2/WFC", "F555W"))


def aligned_by(tmp_path, align, **more):
    source = {"kind": "directory", "path": "x"} | more.pop("source", {})
    path = tmp_path / "field.yaml"
    content = {"campaign": {"name": "field"}, "source": source, "align": align, **more}
    path.write_text(yaml.safe_dump(content))
    return path


def test_settings_of_an_alignment_that_is_not_made_are_refused_by_name(tmp_path) -> None:
    align = {"order": ["54"], "gates": {"max_rms_mas": 10}, "tweakreg": {"searchrad": 2.0}}
    path = aligned_by(tmp_path, {"method": "none", **align})
    ended = CliRunner().invoke(main, ["check", str(path)])
    assert ended.exit_code == 3
    assert "align.order, align.tweakreg.searchrad and align.gates.max_rms_mas do nothing" in (
        ended.output
    )
    # What it says helps.
    assert CliRunner().invoke(main, ["check", str(path), "--set", "align=none"]).exit_code == 0
    assert "align.method: none" in ended.output


@pytest.mark.parametrize(
    "align", ["none", {"method": "none"}, {"method": "none", "gates": {"min_matches": 4}}]
)
def test_an_alignment_that_is_not_made_may_have_what_is_usual(tmp_path, align) -> None:
    assert CliRunner().invoke(main, ["check", str(aligned_by(tmp_path, align))]).exit_code == 0


def test_a_group_that_is_not_aligned_has_nothing_of_the_alignment_of_the_others(tmp_path) -> None:
    groups = {"parameters": {"M 16/F110W": {"align": "none"}}}
    path = aligned_by(tmp_path, {"order": ["54"]}, source=mast(), groups=groups)
    path.write_text(path.read_text().replace("  path: x\n", ""))
    ended = CliRunner().invoke(main, ["check", str(path)])
    assert ended.exit_code == 0, ended.output
