"""The commands on clusters, as far as they need none."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import dask
import pytest
import yaml
from click.testing import CliRunner

from skymosaic.cli import clusters
from skymosaic.cli.main import main
from skymosaic.clusters.base import Submitted
from skymosaic.runs import handover

MINIMAL = "campaign: {name: demo}\nsource: {kind: simulated}\n"


@pytest.fixture
def config(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.yaml").write_text(MINIMAL)
    return "demo.yaml"


def test_prepare_writes_each_document_into_a_file_and_asks_no_store(config, tmp_path) -> None:
    # Nobody answers there, and there are no keys.
    store = ("--store", "s3://nowhere/x", "--set", "store.endpoint_url=http://127.0.0.1:9")
    kubernetes = ("--set", "compute.backend=kubernetes")
    command = ["prepare", config, *store, *kubernetes, "--output", "new/objects"]
    ended = CliRunner().invoke(main, command)
    assert ended.exit_code == 0, ended.output
    files = sorted((tmp_path / "new" / "objects").iterdir())
    assert [f"new/objects/{file.name}" for file in files] == sorted(ended.stdout.split())
    kinds = {
        file.name: {one["kind"] for one in yaml.safe_load_all(file.read_text())} for file in files
    }
    assert "Namespace" in kinds.pop("namespace.yaml")
    assert "Job" in kinds["job.yaml"] and "Namespace" not in set().union(*kinds.values())


def test_what_prepare_prints_is_what_kubectl_applies(config, monkeypatch) -> None:
    # No keys of the store, and nobody who could give any.
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/none")
    options = ("--store", "s3://nowhere/x", "--set", "compute.backend=kubernetes")
    ended = CliRunner().invoke(main, ["prepare", config, *options])
    assert ended.exit_code == 0, ended.output
    printed = list(yaml.safe_load_all(ended.stdout))
    written = CliRunner().invoke(main, ["prepare", config, *options, "--output", "objects"])
    files = [Path(line) for line in written.stdout.split() if "namespace" not in line]
    assert printed == [one for file in files for one in yaml.safe_load_all(file.read_text())]
    assert "# graph: " in ended.stdout and "no AWS credentials found" in ended.stdout
    # What an administrator applies is printed alone.
    alone = CliRunner().invoke(main, ["prepare", config, *options, "--document", "namespace.yaml"])
    kinds = [one["kind"] for one in yaml.safe_load_all(alone.stdout)]
    assert kinds == ["Namespace", "ServiceAccount", "NetworkPolicy"]
    assert not {one["kind"] for one in printed} & {"Namespace", "ServiceAccount"}


def test_prepare_says_which_documents_there_are(config) -> None:
    options = ("--store", "s3://nowhere/x", "--set", "compute.backend=kubernetes")
    ended = CliRunner().invoke(main, ["prepare", config, *options, "--document", "pods.yaml"])
    assert ended.exit_code == 3
    assert (
        "there is no pods.yaml" in ended.stderr and "namespace.yaml, network.yaml" in ended.stderr
    )
    both = ("--document", "job.yaml", "--output", "objects")
    assert CliRunner().invoke(main, ["prepare", config, *options, *both]).exit_code == 2


def test_prepare_says_which_folder_it_cannot_write(config, tmp_path) -> None:
    (tmp_path / "taken").write_text("")
    kubernetes = ("--store", "s3://nowhere/x", "--set", "compute.backend=kubernetes")
    ended = CliRunner().invoke(main, ["prepare", config, *kubernetes, "--output", "taken/objects"])
    assert ended.exit_code != 0
    assert "taken/objects cannot be written" in ended.stderr


@pytest.fixture
def handed(monkeypatch) -> list:
    """What would have been handed over."""
    campaigns: list = []

    def submit(campaign):
        campaigns.append(campaign)
        return Submitted("job 17", "skymosaic status there")

    monkeypatch.setattr(handover, "submit", submit)
    return campaigns


@pytest.mark.parametrize("configured", [None, "tls://configured:8786"])
def test_the_address_is_the_commands_or_that_of_dask(config, handed, configured) -> None:
    given = [] if configured else ["tls://given:8786"]
    with dask.config.set({"scheduler-address": configured}):
        result = CliRunner().invoke(clusters.dask_submit, [*given, config])
    assert result.exit_code == 0, result.output
    assert result.stdout == "submitted: job 17\nfollow:    skymosaic status there\n"
    [campaign] = handed
    assert campaign.compute.backend == "scheduler"
    assert campaign.compute.address == (configured or "tls://given:8786")
    assert campaign.store.uri.startswith("/")


@pytest.mark.parametrize("arguments", [[], ["a", "b", "demo.yaml"]])
def test_wrong_usage_of_dask_submit(config, handed, arguments) -> None:
    assert CliRunner().invoke(clusters.dask_submit, arguments).exit_code == 2
    assert handed == []


def test_a_local_campaign_is_not_submitted_but_prepared(config) -> None:
    result = CliRunner().invoke(main, ["submit", config])
    assert result.exit_code == 3
    assert "skymosaic run" in result.stderr
    result = CliRunner().invoke(main, ["prepare", config])
    assert result.exit_code == 0
    assert "graph: 17 tasks" in result.stdout


def test_insecure_is_the_users_word(config, handed) -> None:
    address = "compute.address=tcp://there:1"
    given = ["submit", config, "--set", "compute.backend=scheduler", "--set", address]
    CliRunner().invoke(main, [*given, "--insecure"])
    CliRunner().invoke(main, given)
    assert [campaign.compute.insecure for campaign in handed] == [True, False]


def test_ping_of_this_machine(config) -> None:
    result = CliRunner().invoke(main, ["ping", config])
    assert result.exit_code == 0
    assert "cores" in result.stdout
    assert "drizzlepac" in result.stdout
    assert CliRunner().invoke(main, ["ping"]).exit_code == 2


def test_dask_has_our_commands_and_does_not_wait_for_our_imports() -> None:
    [entry] = entry_points(group="dask_cli", name="skymosaic")
    assert entry.load().name == "skymosaic"
    code = (
        "import sys, skymosaic.cli.dask_command\n"
        "print([m for m in ('pydantic', 'distributed', 'astropy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
    given = ["skymosaic", "check", "nowhere.yaml"]
    done = subprocess.run([sys.executable, "-m", "dask", *given], capture_output=True, text=True)
    assert done.returncode == 3
    assert "nowhere.yaml" in done.stderr
