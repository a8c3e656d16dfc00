"""Campaigns on a real S3 server: the same table, little traffic, no secrets, one run at a time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

pytest.register_assert_rewrite("tests.conformance.store")

from skymosaic.errors import ForbiddenError  # noqa: E402
from skymosaic.results import integrity  # noqa: E402
from skymosaic.steps.finished import Finished  # noqa: E402
from skymosaic.steps.manifests import finished  # noqa: E402
from skymosaic.steps.place import Place  # noqa: E402
from skymosaic.steps.transfers import transfers  # noqa: E402
from skymosaic.store import Store  # noqa: E402
from skymosaic.store.s3 import S3Store  # noqa: E402
from skymosaic.store.s3_settings import S3Settings  # noqa: E402
from tests.conformance.store import StoreConformance  # noqa: E402
from tests.conftest import (  # noqa: E402
    REPOSITORY,
    TILES,
    Ended,
    reading,
    skymosaic,
    wait_for,
    write_campaign,
)
from tests.s3_server import BUCKET, SECRET_KEY, S3Server, flip_byte, s3_server  # noqa: E402
from tests.unit.small_store import SmallStore, plain  # noqa: E402


def write_few(folder: Path, **sections) -> Path:
    """Write a campaign of three small tiles."""
    return write_campaign(folder / "few.yaml", **{**TILES, **sections})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    # The address stands in the settings, so that each server of a test session has a client.
    settings = S3Settings(endpoint_url=server.url, patience=20.0)
    return S3Store(f"s3://{BUCKET}/{uuid4().hex}", settings)


class TestS3StoreOnARealServer(StoreConformance):
    @pytest.fixture
    def store(self, s3: S3Store) -> Store:
        return s3

    @pytest.fixture
    def corrupt(self, s3: S3Store, server: S3Server) -> Callable[[str], None]:
        client = server.client()

        def corrupt(key: str) -> None:
            flip_byte(client, BUCKET, s3.address(key).removeprefix(f"s3://{BUCKET}/"))

        return corrupt


def test_a_wrong_secret_is_named_without_repeating_it(s3: S3Store, monkeypatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aWrongSecretThatMustNotBeSeen")
    store = S3Store(s3.uri, S3Settings(endpoint_url=s3.settings.endpoint_url, region="eu-west-3"))
    with pytest.raises(ForbiddenError, match="SignatureDoesNotMatch") as caught:
        store.read_text("a")
    assert "aWrongSecretThatMustNotBeSeen" not in str(caught.value)
    assert os.environ["AWS_ACCESS_KEY_ID"] not in str(caught.value)


def test_a_changed_object_is_found_and_taken_away(
    server: S3Server, s3: S3Store, tmp_path: Path
) -> None:
    small = SmallStore(tmp_path)
    s3.write_text("field/campaign.yaml", (small.folder / "campaign.yaml").read_text())
    small.place = Place(s3, "field", tmp_path)
    small.inspect()
    small.plan()
    small.drizzle("match")
    reach = {"endpoint_url": server.url}
    whole = integrity.verify_store(f"{s3.uri}/field", reach)
    assert (whole.files, list(whole.flaws)) == (6, [])
    key = "field/runs/match/field_match_drz_sci.fits"
    prefix = s3.uri.removeprefix(f"s3://{BUCKET}/")
    same = finished(small.place, plain("runs/match"))
    assert same is not None
    assert same.products[key.rsplit("/", 1)[-1]].etag
    flip_byte(server.client(), BUCKET, f"{prefix}/{key}")
    # Its ETag is another, and its content, too.
    assert finished(small.place, plain("runs/match")) is None
    found = integrity.verify_store(f"{s3.uri}/field", reach)
    assert [flaw.key for flaw in found.flaws] == [key]
    integrity.take_away(found)
    assert [one for one in s3.list("field/damaged") if one.endswith("_sci.fits")]
    small.drizzle("match")
    assert not integrity.verify_store(f"{s3.uri}/field", reach).flaws


def steps(store: S3Store, campaign: str) -> list[Finished]:
    """Return the finished steps of a campaign."""
    place = Place(store, campaign, None)
    prefix = place.key("manifests") + "/"
    names = [key.removeprefix(prefix).removesuffix(".json") for key in store.list(prefix[:-1])]
    found = [finished(place, plain(name)) for name in names]
    assert all(found)
    return [step for step in found if step]


def traffic_ratio(store: S3Store, campaign: str) -> float:
    """Return what was moved in units of what had to be."""
    return transfers(steps(store, campaign)).ratio


@pytest.fixture(scope="module")
def whole(server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[S3Store, Ended]:
    """A small campaign, run on S3 with everything logged."""
    folder = tmp_path_factory.mktemp("whole")
    file = write_few(folder)
    (folder / "scratch").mkdir()
    store = S3Store(f"s3://{BUCKET}/whole", S3Settings(endpoint_url=server.url))
    ended = skymosaic(
        *("-vv", "--log-json", "run", file, "--store", store.uri, "--workers", "2"),
        env={**server.environment, "TMPDIR": str(folder / "scratch")},
    )
    assert ended.code == 0, ended.err
    assert list((folder / "scratch").iterdir()) == []
    return store, ended


def test_the_table_is_that_of_a_folder(whole, s3, undisturbed: bytes) -> None:
    store, _ = whole
    assert store.read_text("few/comparison/mdrizsky.csv").encode() == undisturbed


def test_no_more_is_moved_than_the_stages_need(whole, s3) -> None:
    store, _ = whole
    assert 1.0 <= traffic_ratio(store, "few") <= 1.1
    report = store.read_text("few/comparison/report.html")
    assert "moved / needed" in report


def test_no_credential_is_anywhere(whole, s3, server: S3Server) -> None:
    store, ended = whole
    secret, identity = SECRET_KEY, server.environment["AWS_ACCESS_KEY_ID"]
    client = server.client()
    texts = {"standard output": ended.out.encode(), "standard error": ended.err.encode()}
    for key in store.list("few"):
        texts[key] = client.get_object(Bucket=BUCKET, Key=f"whole/{key}")["Body"].read()
    assert len(texts) > 40
    for name, content in texts.items():
        assert secret.encode() not in content, name
        assert identity.encode() not in content, name


@pytest.mark.campaign
def test_a_second_run_does_nothing_and_a_change_what_depends_on_it(
    whole, s3, server: S3Server, tmp_path: Path
) -> None:
    store, _ = whole
    file = write_few(tmp_path)
    again = skymosaic("run", file, "--store", store.uri, env=server.environment)
    assert again.code == 0, again.err
    assert "nothing was run again" in again.err
    file = write_few(tmp_path, sky={"methods": ["match"]})
    fewer = skymosaic("run", file, "--store", store.uri, env=server.environment)
    assert fewer.code == 0, fewer.err
    ran = [line.split("  ")[1].strip() for line in fewer.err.splitlines() if "  done" in line]
    assert ran == ["gather"]


def test_status_and_report_from_anywhere(whole, s3, server: S3Server) -> None:
    store, _ = whole
    status = reading("status", f"{store.uri}/few", env=server.environment)
    assert (status.code, status.out.split(":")[0]) == (0, "done")
    assert "gather" in status.out
    absent = reading("status", f"{store.uri}/none", env=server.environment)
    assert absent.code == 14
    assert f"{store.uri}/none holds no campaign" in absent.err


@pytest.mark.slow
def test_two_runs_at_once(server: S3Server, s3: S3Store, tmp_path: Path) -> None:
    """The second is refused by name, or waits and then finds everything done."""
    file = write_campaign(tmp_path / "tiles.yaml", **TILES)
    run = [sys.executable, "-m", "skymosaic.cli", "run", str(file), "--store", s3.uri]
    first = subprocess.Popen(
        run, env={**os.environ, **server.environment}, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(lambda: s3.list("tiles/records"), "the first run's record")
        second = skymosaic("run", file, "--store", s3.uri, env=server.environment)
        assert second.code == 13
        assert f"process {first.pid}" in second.err
        assert "--wait" in second.err
        status = skymosaic("status", f"{s3.uri}/tiles", env=server.environment)
        assert status.code == 20
        assert f"process {first.pid}" in status.out
        third = skymosaic("run", file, "--store", s3.uri, "--wait", env=server.environment)
        assert third.code == 0, third.err
        assert "waiting for the end of run on host" in third.err
        done = [line for line in third.err.splitlines() if " done " in f"{line} "]
        assert not [line for line in done if " reused " not in line]
    finally:
        _, err = first.communicate(timeout=120)
    assert first.returncode == 0, err


@pytest.mark.slow
def test_restart_goes_on_with_the_stored_file(
    server: S3Server, s3: S3Store, tmp_path: Path
) -> None:
    file = write_campaign(tmp_path / "tiles.yaml", **TILES)
    run = [sys.executable, "-m", "skymosaic.cli", "run", str(file), "--store", s3.uri]
    first = subprocess.Popen(
        run, env={**os.environ, **server.environment}, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: s3.list("tiles/manifests"), "a manifest")
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=60)
    assert first.returncode == 143
    status = skymosaic("status", f"{s3.uri}/tiles", env=server.environment)
    assert (status.code, status.out.split(":")[0]) == (22, "interrupted")
    file.unlink()
    ended = skymosaic("restart", f"{s3.uri}/tiles", env=server.environment)
    assert ended.code == 0, ended.err
    assert " reused " in ended.err
    assert skymosaic("status", f"{s3.uri}/tiles", env=server.environment).code == 0


def _hidden(folders: list[Path], command: list[str]) -> list[str]:
    """Return a command that sees nothing in these folders: file systems of its own cover them."""
    cover = " && ".join(f"mount -t tmpfs tmpfs '{folder}'" for folder in folders)
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", f'{cover} && exec "$@"',
            "sh", *command]  # fmt: skip


@contextmanager
def workers_that_share_nothing(server: S3Server, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the address of a scheduler with two workers, and a folder for the driver.

    Each has a folder of its own; those of the others are hidden from it.
    """
    try:
        subprocess.run([*_hidden([], [])[:4], "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("test of workers that share no folder: mount namespaces are not permitted here")
    folders = {name: folder / name for name in ("driver", "one", "two")}
    for own in folders.values():
        own.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    dask = str(Path(sys.executable).with_name("dask"))
    with ExitStack() as stack:

        def start(command: list[str], **environment: str) -> None:
            process = subprocess.Popen(
                command,
                env={**os.environ, **server.environment, **environment},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            stack.callback(process.wait, 60)
            stack.callback(os.killpg, process.pid, signal.SIGTERM)

        start(
            [dask, "scheduler", "--host", "127.0.0.1", "--port", address.rsplit(":", 1)[1],
             "--dashboard-address", "127.0.0.1:0"],
            TMPDIR=str(folder),
        )  # fmt: skip
        for name in ("one", "two"):
            others = [own for other, own in folders.items() if other != name]
            worker = [dask, "worker", address, "--nthreads", "1", "--host", "127.0.0.1",
                      "--dashboard-address", "127.0.0.1:0",
                      "--local-directory", str(folders[name])]  # fmt: skip
            start(_hidden(others, worker), TMPDIR=str(folders[name]))
        yield address, folders["driver"]


def run_on_workers_that_share_nothing(server: S3Server, store: S3Store, folder: Path, **sections):
    """Run a campaign so, and check that both workers took part."""
    with workers_that_share_nothing(server, folder) as (address, driver):
        file = write_campaign(
            driver / "small.yaml",
            compute={"backend": "scheduler", "address": address},
            **sections,
        )
        ended = skymosaic(
            *("run", file, "--store", store.uri),
            env={**server.environment, "TMPDIR": str(driver)},
        )
        assert ended.code == 0, ended.err
        assert [path.name for path in driver.iterdir()] == ["small.yaml"]
        for name in ("one", "two"):  # what the driver's host can see of the workers' folders
            assert not list((folder / name).glob("skymosaic-*-runs-*"))
    assert len({step.cache for step in steps(store, "small")}) == 2


@pytest.mark.slow
def test_two_workers_that_share_no_folder(
    server: S3Server, s3: S3Store, undisturbed: bytes, tmp_path: Path
) -> None:
    run_on_workers_that_share_nothing(server, s3, tmp_path, **TILES)
    assert s3.read_text("small/comparison/mdrizsky.csv").encode() == undisturbed
    assert 1.0 <= traffic_ratio(s3, "small") <= 1.1


@pytest.mark.slow
def test_the_demo_on_two_workers_that_share_no_folder(
    server: S3Server, s3: S3Store, tmp_path: Path
) -> None:
    import yaml

    demo = yaml.safe_load((REPOSITORY / "configs" / "horsehead-demo.yaml").read_text())
    sections = {name: demo[name] for name in demo if name not in ("campaign", "compute", "store")}
    here = write_campaign(tmp_path / "small.yaml", **sections)
    local = skymosaic("run", here, "--store", tmp_path / "store")
    assert local.code == 0, local.err
    run_on_workers_that_share_nothing(server, s3, tmp_path, **sections)
    expected = (tmp_path / "store" / "small" / "comparison" / "mdrizsky.csv").read_text()
    assert s3.read_text("small/comparison/mdrizsky.csv") == expected
    assert 1.0 <= traffic_ratio(s3, "small") <= 1.1
