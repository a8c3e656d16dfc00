"""The image: what it is made of, and that it works as it is meant to be run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from tests.containers.host import (
    DOCKERFILE,
    IMAGE,
    ROOT,
    TRIVY,
    Engine,
    build_settings,
    packaged,
    run,
)
from tests.trials import TrialError

_LARGEST = 1e9  # bytes
HARDENED = (
    *("--rm", "--read-only", "--cap-drop", "ALL", "--user", "10001"),
    *("--security-opt", "no-new-privileges", "--network", "none"),
)


@dataclass
class Bench:
    """What the checks need."""

    engine: Engine
    tools: Path
    folder: Path
    full: bool = False
    """Whether the campaigns have frames of full size."""

    def inside(self, *command: str, options: tuple[str, ...] = ()) -> str:
        """Return what a command prints in a hardened container without a network."""
        return self.engine.docker("run", *HARDENED, *options, IMAGE, *command).stdout


def lint(bench: Bench) -> str:
    """Hadolint on the Dockerfile: no finding."""
    found = run(bench.tools / "hadolint", DOCKERFILE, accept=True)
    if found.returncode:
        raise TrialError(found.stdout + found.stderr)
    return "no finding; DL3008 is off where Debian's release fixes the versions"


def scan(bench: Bench) -> str:
    """Trivy's checks of configuration: no failure."""
    report = bench.folder / "trivy.json"
    run(
        *(packaged(bench.tools, TRIVY), "config", "--skip-check-update", "--format", "json"),
        *("--cache-dir", bench.folder / "trivy", "--output", report, ROOT / "docker"),
    )
    [result] = [r for r in json.loads(report.read_text())["Results"] if "MisconfSummary" in r]
    if result["MisconfSummary"]["Failures"]:
        raise TrialError(str([m["Title"] for m in result["Misconfigurations"]]))
    return f"{result['MisconfSummary']['Successes']} checks, no failure"


def build(bench: Bench) -> str:
    """Build it; `skymosaic doctor` passes within, or there is no image."""
    settings = build_settings(bench.folder)
    secrets = [
        f"--secret=id={name},src={settings / file}"
        for name, file in (("certificates", "certificates.pem"), ("pip", "pip.conf"))
        if (settings / file).exists()
    ]
    base = bench.engine.images.get("BASE")
    revision = run("git", "-C", ROOT, "rev-parse", "HEAD", accept=True).stdout.strip()
    bench.engine.docker(
        *("build", "--network=host", "--file", DOCKERFILE, "--tag", IMAGE, *secrets),
        *([f"--build-arg=BASE={base}"] if base else []),
        *(f"--build-arg=REVISION={revision or 'unknown'}", ROOT),
    )
    return f"on {base}, a stand-in of Debian's packages" if base else "on the pinned base"


def size(bench: Bench) -> str:
    """Below 1 GB; the table tells what makes it up."""
    found = int(bench.engine.state(IMAGE)["Size"])
    table = bench.engine.docker(
        *("run", "--rm", "--interactive", IMAGE, "python", "-"),
        given=(ROOT / "docker" / "sizes.py").read_text(),
    ).stdout
    (bench.folder / "sizes.md").write_text(table)
    print(table)
    if found >= _LARGEST:
        raise TrialError(f"{found / 1e6:.0f} MB")
    return f"{found / 1e6:.0f} MB"


def doctor(bench: Bench) -> str:
    """Doctor in a container that may do nothing but compute."""
    said = bench.inside("skymosaic", "doctor")
    if "good" not in said:
        raise TrialError(said)
    return said.splitlines()[-1]


def programs(bench: Bench) -> str:
    """One entry point for all that a cluster starts."""
    commands = (
        ("skymosaic", "--version"),
        ("dask", "scheduler", "--version"),
        ("dask", "worker", "--version"),
        ("dask", "spec", "--version"),
    )
    for command in commands:
        bench.inside(*command)
    return ", ".join(" ".join(command[:-1]) for command in commands)


def contents(bench: Bench) -> str:
    """A user, labels, no compilers, no installers, nothing of this host."""
    configuration = bench.engine.state(IMAGE)["Config"]
    if configuration["User"] != "10001:10001" or "/scratch" not in configuration["Volumes"]:
        raise TrialError(f"user {configuration['User']}, volumes {configuration['Volumes']}")
    if configuration["Labels"]["org.opencontainers.image.licenses"] != "BSD-3-Clause":
        raise TrialError(str(configuration["Labels"]))
    unwanted = "for p in gcc cc g++ make pip pip3 git curl wget; do command -v $p; done; true"
    if found := bench.inside("sh", "-c", unwanted):
        raise TrialError(f"it holds {found.split()}")
    if found := bench.inside("sh", "-c", "ls -d /build /etc/pip.conf /root/.cache 2>&- ; true"):
        raise TrialError(f"it holds {found.split()}")
    bundle = build_settings(bench.folder) / "certificates.pem"
    shipped = bench.inside("sha256sum", "/etc/ssl/certs/ca-certificates.crt").split()[0]
    ours = hashlib.sha256(bundle.read_bytes()).hexdigest() if bundle.exists() else ""
    certificates = (
        "this host's certificates are not in it" if shipped != ours else "Debian's certificates"
    )
    # What Debian itself ships is no leak: its bundle is the same in an untouched base.
    plain = bench.engine.docker(
        "run", "--rm", IMAGE, "sh", "-c", "cat /usr/share/ca-certificates/mozilla/*.crt | wc -c"
    ).stdout.strip()
    bundled = bench.inside("sh", "-c", "wc -c < /etc/ssl/certs/ca-certificates.crt").strip()
    if plain != bundled:
        raise TrialError(f"its certificates are {bundled} bytes, Debian's {plain}")
    return f"user 10001, no compiler, no pip; {certificates}"


def health(bench: Bench) -> str:
    """The health check tells well from ill."""
    check = ("python3", "-I", "/opt/skymosaic/healthcheck.py")
    bench.inside(*check)
    ill = (
        (("--env", "HEALTH_PORT=9"), "does not answer"),
        (("--env", "TMPDIR=/usr"), "cannot be written"),
    )
    for options, message in ill:
        done = bench.engine.docker("run", *HARDENED, *options, IMAGE, *check, accept=True)
        if done.returncode != 1 or message not in done.stderr:
            raise TrialError(f"{options}: exit code {done.returncode}, {done.stderr}")
    return "a server that is silent and a scratch that is not writable are ill"


def refuses(bench: Bench) -> str:
    """No image comes of an installation whose `match` does not match."""
    context = bench.folder / "broken"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(
        f"FROM {IMAGE}\nUSER 0\n"
        "RUN sed -i 's/^\\( *\\)give_back()/\\1pass/' "
        "/opt/skymosaic/lib/python3*/site-packages/skymosaic/drizzlepac_calls/server.py"
        " && rm -f /opt/skymosaic/lib/python3*/site-packages/skymosaic/drizzlepac_calls/"
        "__pycache__/server.*\n"
        "USER 10001\nRUN skymosaic doctor\n"
    )
    done = bench.engine.docker("build", "--network=host", context, accept=True)
    if (
        done.returncode == 0
        or "SphericalPolygon.iter_polygons_flat" not in done.stderr + done.stdout
    ):
        raise TrialError(f"exit code {done.returncode}: {done.stderr[-500:]}")
    return "the build ends with doctor's message"


def bill(bench: Bench) -> str:
    """A bill of materials, CycloneDX JSON, that holds every package of the lock."""
    bench.engine.docker("save", "--output", bench.folder / "image.tar", IMAGE)
    file = bench.folder / "sbom.json"
    run(
        *(ROOT / "docker" / "sbom", bench.folder / "image.tar", file),
        environment={"TRIVY": str(packaged(bench.tools, TRIVY))},
    )
    (bench.folder / "image.tar").unlink()
    listed = json.loads(file.read_text())
    names = {c["name"].lower().replace("_", "-").replace(".", "-") for c in listed["components"]}
    lock = (ROOT / "docker" / "requirements.lock").read_text().splitlines()
    wanted = {s.split("==")[0] for s in lock if "==" in s and ";" not in s}
    if missing := {w.lower() for w in wanted} - names:
        raise TrialError(f"not in it: {sorted(missing)}")
    if "tini" not in names or listed["bomFormat"] != "CycloneDX":
        raise TrialError("Debian's packages are not in it")
    return f"CycloneDX {listed['specVersion']}, {len(listed['components'])} components"
