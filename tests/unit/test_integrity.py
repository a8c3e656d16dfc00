"""`verify-store`: what lies in a store against what was made; and records that are damaged."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from skymosaic.cli.main import main
from skymosaic.config import load_campaign_text
from skymosaic.errors import CampaignError, DamagedError, LockedError
from skymosaic.journal.runs import campaign_lock
from skymosaic.pipeline.results import RecordedRule
from skymosaic.results import integrity
from skymosaic.runs.running import is_recorded
from skymosaic.sky.static_rule import FirstRule
from skymosaic.steps.manifests import finished, recorded_result
from skymosaic.store import lease
from tests.unit.small_store import SmallStore, plain

MOSAIC = "runs/match/field_match_drz_sci.fits"


@pytest.fixture
def store(tmp_path: Path) -> SmallStore:
    store = SmallStore(tmp_path / "store")
    store.inspect()
    store.plan()
    store.drizzle("match")
    return store


def flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def verify(store: SmallStore, *options: str) -> Result:
    return CliRunner().invoke(main, ["verify-store", *options, str(store.folder)])


def test_a_whole_store(store: SmallStore) -> None:
    progress: list[tuple[int, int]] = []
    found = integrity.verify_store(str(store.folder), tell=lambda *one: progress.append(one))
    names = [path for path in store.folder.rglob("*") if path.is_file()]
    products = [path for path in names if path.suffix == ".fits"]
    assert (found.steps, found.files, list(found.flaws)) == (4, len(products), [])
    assert progress[-1] == (found.size, sum(path.stat().st_size for path in products))
    assert found.others == len(names) - found.steps - found.files
    ended = verify(store)
    assert ended.exit_code == 0, ended.output
    assert "0 damaged or missing" in ended.output


def test_a_flipped_byte_a_shorter_file_and_one_that_is_gone(store: SmallStore) -> None:
    flip_byte(store.folder / MOSAIC)
    short = store.folder / "runs/match/field_match_drz_wht.fits"
    short.write_bytes(short.read_bytes()[:-1])
    (store.folder / "pristine" / "b_flt.fits").unlink()
    ended = verify(store)
    assert ended.exit_code == 16
    assert f"field/{MOSAIC}: its content is not what was written" in ended.output
    assert "field/runs/match/field_match_drz_wht.fits: its size is not the" in ended.output
    assert "field/pristine/b_flt.fits: it is missing" in ended.output
    assert "3 damaged or missing" in ended.output
    assert f"`skymosaic verify-store --repair {store.folder}`" in ended.output


def test_a_number_that_was_changed_in_a_manifest(store: SmallStore) -> None:
    manifest = store.folder / "manifests" / "runs" / "match.json"
    content = json.loads(manifest.read_text())
    content["result"]["sky"][1]["mdrizsky"] = 0.6
    manifest.write_text(json.dumps(content))
    assert finished(store.place, plain("runs/match")) is None  # and a run makes it anew
    ended = verify(store)
    assert ended.exit_code == 16
    assert "manifests/runs/match.json is damaged: its SHA-256" in ended.output


def test_a_manifest_of_an_older_version_is_good(store: SmallStore) -> None:
    manifest = store.folder / "manifests" / "runs" / "match.json"
    content = json.loads(manifest.read_text())
    del content["checksum"]
    manifest.write_text(json.dumps(content))
    assert finished(store.place, plain("runs/match")) is not None
    ended = verify(store)
    assert ended.exit_code == 0
    assert "the numbers in 1 manifest, which an older version wrote" in ended.output


def test_what_is_damaged_is_taken_away_and_nothing_else(store: SmallStore) -> None:
    flip_byte(store.folder / MOSAIC)
    (store.folder / "manifests" / "plan.json").write_text("[")
    integrity.take_away(integrity.verify_store(str(store.folder)))
    assert not (store.folder / MOSAIC).exists()
    assert len(list((store.folder / "damaged").rglob("*.fits"))) == 1
    assert finished(store.place, plain("runs/match")) is None
    assert finished(store.place, plain("plan")) is None
    assert finished(store.place, plain("inspection")) is not None
    store.plan()
    store.drizzle("match")
    assert not integrity.verify_store(str(store.folder)).flaws


def test_what_was_made_anew_in_the_meantime_is_not_taken_away(store: SmallStore) -> None:
    flip_byte(store.folder / MOSAIC)
    found = integrity.verify_store(str(store.folder))
    assert len(found.flaws) == 1
    (store.folder / MOSAIC).unlink()
    store.drizzle("match")
    integrity.take_away(found)
    assert finished(store.place, plain("runs/match")) is not None
    assert not (store.folder / "damaged").exists()


def test_a_plan_that_is_taken_away_still_tells_the_rule_of_the_static_mask(
    store: SmallStore,
) -> None:
    manifest = store.folder / "manifests" / "plan.json"
    content = json.loads(manifest.read_text())
    content["result"]["static"] = {"kept": "once", "first": 49}
    manifest.write_text(json.dumps(content))
    found = integrity.verify_store(str(store.folder))
    assert [flaw.manifest for flaw in found.flaws] == ["field/manifests/plan.json"]
    integrity.take_away(found)
    assert finished(store.place, plain("plan")) is None
    known = recorded_result(store.place, "plan", RecordedRule)
    assert known == RecordedRule(FirstRule("once", 49))
    store.plan()
    assert not integrity.verify_store(str(store.folder)).flaws


def test_not_while_it_runs(store: SmallStore) -> None:
    with (
        lease.held(store.place.store, campaign_lock(store.place), "run"),
        pytest.raises(LockedError, match="verify it when it has ended"),
    ):
        integrity.verify_store(str(store.folder))


def test_a_run_that_began_and_ended_meanwhile(store: SmallStore) -> None:
    flip_byte(store.folder / MOSAIC)

    def run(done: int, _all: int) -> None:
        if done:
            with lease.held(store.place.store, campaign_lock(store.place), "run"):
                pass

    with pytest.raises(LockedError, match="was run in the meantime; verify it again"):
        integrity.verify_store(str(store.folder), tell=run)


def test_a_program_and_a_group_of_it(tmp_path: Path) -> None:
    group = SmallStore(tmp_path / "store")
    text = (group.folder / "campaign.yaml").read_text().replace("name: field", "name: program")
    group.place = replace(group.place, campaign="program/1/M_16/F160W")
    group.inspect()
    store = group.place.store
    for place in ("program", group.place.campaign):
        store.write_text(f"{place}/campaign.yaml", text)
    store.write_text("program/groups.json", "[]")
    flip_byte(tmp_path / "store" / group.place.key("pristine", "b_flt.fits"))
    own = integrity.verify_store(f"{store.uri}/program/1/M_16/F160W")
    assert [flaw.key for flaw in own.flaws] == ["program/1/M_16/F160W/pristine/b_flt.fits"]
    with pytest.raises(CampaignError, match=r"verify-store --repair .*/program`"):
        integrity.take_away(own)
    with pytest.raises(DamagedError, match=r"verify-store --repair \S*/program` makes the damaged"):
        own.require_whole()
    whole = integrity.verify_store(f"{store.uri}/program")
    assert whole.flaws == own.flaws
    share = "program/shares/000001-of-000002/locks/campaign"
    with lease.held(store, share, "run"), pytest.raises(LockedError, match="repair it when"):
        integrity.take_away(whole)
    with pytest.raises(
        DamagedError, match=r"F160W/pristine/b_flt\.fits of .*/program: its content is not"
    ):
        whole.require_whole()
    integrity.take_away(whole)
    assert finished(group.place, plain("pristine/asn")) is None
    assert len(list((tmp_path / "store" / group.place.key("damaged")).rglob("*.fits"))) == 1


def test_a_lock_that_nobody_can_read_ends_by_itself(store: SmallStore) -> None:
    folder = store.folder / "locks" / "campaign"
    folder.mkdir(parents=True)
    for text in ("{}", '{"holder": {}}', "[" * 100_000, '{"released": false}', "\udcff"):
        path = folder / "000007.json"
        path.write_bytes(text.encode(errors="surrogateescape"))
        state = lease.look(store.place.store, campaign_lock(store.place))
        assert (state.number, state.holder is None) == (7, False)
        with (
            pytest.raises(LockedError, match="held by something on host unknown"),
            lease.held(store.place.store, campaign_lock(store.place), "run"),
        ):
            pytest.fail("it counts as held")
        os.utime(path, (1, 1))
        assert lease.look(store.place.store, campaign_lock(store.place)).holder is None
    for name in ("7.json", "0000008.json", "٠٠٠٠٠٩.json", "000001 (copy).json"):
        (folder / name).write_text("{}")
    with lease.held(store.place.store, campaign_lock(store.place), "run") as held:
        assert held.number == 8


@pytest.mark.parametrize("text", ["{}", "[]", "5", '{"tasks": 5}', "[" * 100_000, "\udcff", ""])
def test_records_of_runs_and_submissions(store: SmallStore, text: str) -> None:
    content = text.encode(errors="surrogateescape")
    for name in ("records/000001.json", "submission.json"):
        path = store.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        for command in (["status"], ["report", "--format", "md"], ["logs"], ["clean", "--dry-run"]):
            ended = CliRunner().invoke(main, [*command, str(store.folder)])
            assert ended.exit_code in (0, 14, 16), (name, command, ended.output)
            assert "unexpected error" not in ended.output
        ended = CliRunner().invoke(main, ["status", str(store.folder)])
        assert ended.exit_code == 16
        assert f"field/{name} is " in ended.output
        assert "delete it" in ended.output
        path.unlink()


def test_a_file_of_a_version_that_took_other_values(store: SmallStore) -> None:
    text = (store.folder / "campaign.yaml").read_text()
    campaign = load_campaign_text(text, "here", {})
    record = {"started": "", "ended": "", "state": "done", "expected": 0, "tasks": []}
    store.place.store.write_json("field/records/000001.json", {**record, "error": None})
    assert is_recorded(campaign, store.place)
    (store.folder / "campaign.yaml").write_text(f"{text}compute: {{of_another_version: 1}}\n")
    assert not is_recorded(campaign, store.place)


def test_files_with_names_that_cannot_be_ours(store: SmallStore) -> None:
    names = ["my notes.txt", "runs/match/a\nb", "manifests/my copy.json", "locks/a b/locks/x.json"]
    names += ["shares/a b/locks/campaign/000001.json", "records/a b.json", "logs/x/1.jsonl"]
    for name in names:
        (store.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (store.folder / name).write_text("mine")
    (store.folder / "runs" / "litter.txt").write_text("nobody's")
    ended = CliRunner().invoke(main, ["clean", str(store.folder)])
    assert ended.exit_code == 0, ended.output
    assert not (store.folder / "runs" / "litter.txt").exists()
    assert "skymosaic gives no file such a name: 'field/my notes.txt'" in ended.output
    assert "'field/runs/match/a\\nb'" in ended.output
    assert all((store.folder / name).exists() for name in names)
    for command in ("report", "logs", "status", "verify-store"):
        ended = CliRunner().invoke(main, [command, str(store.folder)])
        assert ended.exit_code in (0, 9, 14), ended.output
        assert "unexpected error" not in ended.output


def test_a_named_pipe_in_place_of_a_record(store: SmallStore) -> None:
    os.mkfifo(store.folder / "submission.json")
    ended = CliRunner().invoke(main, ["status", str(store.folder)])
    assert ended.exit_code == 9
    assert "submission.json is not a file; remove it" in ended.output
