"""One mosaic on two hosts, each with a network, a disk and a cache of its own; who fetches what.

The hosts are network namespaces with names of their own. This process and what it starts beside
them (an S3 server behind a proxy that counts, a Dask scheduler, the driver) are in a namespace,
too, which `scripts/test-hosts` makes. The exposures lie in a bucket. They are mosaicked from
nothing; then with another parameter by hosts with empty disks, from what the store has.

Of the bytes of all exposures, fetched from the bucket or from the store, no host may have had more
than 0.7, and all together not more than 1.5 times. The mosaics are those of one worker, byte for
byte.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml
from distributed import Client

from tests.conftest import command_line
from tests.dask_cluster import stop
from tests.faulty_proxy import Faults, faulty_proxy
from tests.many_frames import lattice, write_many
from tests.s3_server import BUCKET, S3Server, s3_server

MOST, SUM = 0.7, 1.5
"""Bytes that one host may fetch of the inputs, and that all may, in bytes of all inputs."""
_SIDE, _STEP = 256, 200  # pixels of an exposure, and to the next one
_HERE = "10.210.0.1"
_HOSTS = {"one": "10.210.0.11", "other": "10.210.0.12"}
_PATIENCE, _LONGEST = 120.0, 1800.0  # s
_NAMED = 'echo "$0" > /proc/sys/kernel/hostname; exec "$@"'


@dataclass(frozen=True)
class Stage:
    """Where the rounds take place."""

    folder: Path
    server: S3Server
    proxy: str
    faults: Faults
    networks: dict[str, str]
    """The network namespace of each host, by its name."""
    inputs: int
    """Bytes of all exposures."""

    def environment(self, scratch: Path) -> dict[str, str]:
        """Return the variables of a process, which writes into a folder of its own."""
        scratch.mkdir(parents=True, exist_ok=True)
        own = {"AWS_ENDPOINT_URL_S3": self.proxy, "TMPDIR": str(scratch)}
        return {**os.environ, **self.server.environment, **own}

    def campaign(self, store: str, compute: dict[str, Any], **parameters: Any) -> list[str]:
        """Write a campaign file; return the command that runs it."""
        sections = {
            "campaign": {"name": "field"},
            "source": {"kind": "s3", "uri": f"s3://{BUCKET}/inputs"},
            "align": "none",
            "sky": {"methods": ["match", "match-differences"]},
            "drizzle": {
                "engine": "onepass",
                "parameters": {"final_rot": 0, "final_bits": 64, **parameters},
            },
            "store": {"uri": f"s3://{BUCKET}/{store}"},
            "compute": compute,
        }
        file = self.folder / f"{uuid4().hex[:6]}.yaml"
        file.write_text(yaml.safe_dump(sections))
        return command_line("--quiet", "run", file)

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Return the objects below a prefix, past the proxy."""
        client = self.server.client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return {
            key.removeprefix(prefix): client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            for key in keys
        }

    def products(self, store: str) -> dict[str, str]:
        """Return the SHA-256 of the mosaics and the table of a run, by key."""
        found = self.objects(f"{store}/field/")
        kept = [key for key in found if key.startswith("runs/") and key.endswith(".fits")]
        return {
            key: hashlib.sha256(found[key]).hexdigest()
            for key in (*kept, "comparison/mdrizsky.csv")
        }

    def makers(self, store: str) -> dict[str, Counter[str]]:
        """Return how many steps of each kind each host made, by the manifests."""
        found: dict[str, Counter[str]] = {}
        for key, content in self.objects(f"{store}/field/manifests/").items():
            kind = key.split("/")[0].removesuffix(".json")
            found.setdefault(kind, Counter())[json.loads(content)["host"]] += 1
        return found


@contextmanager
def cluster(on: Stage, name: str, workers: int) -> Iterator[str]:
    """Yield the address of a scheduler with workers on both hosts, whose disks are empty."""
    folder = on.folder / name
    with ExitStack() as running:

        def start(log: str, command: list[str], scratch: Path) -> None:
            environment = on.environment(scratch)
            with (folder / log).open("wb") as written:
                process = subprocess.Popen(
                    command, stdout=written, stderr=written, env=environment, start_new_session=True
                )
            running.callback(stop, process)

        dask = [sys.executable, "-m", "dask"]
        folder.mkdir()
        options = ("--host", _HERE, "--port", "8786", "--no-dashboard", "--no-show")
        start("scheduler.log", [*dask, "scheduler", *options], folder / "scheduler")
        address = f"tcp://{_HERE}:8786"
        for host, network in on.networks.items():
            inside = ["ip", "netns", "exec", network, "unshare", "--uts", "sh", "-c", _NAMED, host]
            for number in range(workers):
                worker = ["worker", address, "--host", _HOSTS[host], "--nthreads", "1"]
                more = ["--nworkers", "1", "--no-dashboard", "--memory-limit", "0"]
                start(f"{host}-{number}.log", [*inside, *dask, *worker, *more], folder / host)
        with Client(address, timeout=_PATIENCE) as client:
            client.wait_for_workers(workers * len(on.networks), timeout=_PATIENCE)
        yield address


def run_on_hosts(on: Stage, name: str, workers: int, **parameters: Any) -> list[str]:
    """Run the campaign on hosts with empty disks; print who fetched what; return what is wrong."""
    on.faults.fetched.clear()
    with cluster(on, name, workers) as address:
        compute = {"backend": "scheduler", "address": address, "insecure": True}
        _run(on, on.campaign("hosts", compute, **parameters), name)
    fetched = {kind: _fetched(on.faults, kind) for kind in ("exposures", "drizzled", "others")}
    print(f"\n{name}: MB fetched, and in bytes of all exposures ({on.inputs / 1e6:.1f} MB)")
    for host, ip in {**_HOSTS, "driver": _HERE}.items():
        told = (f"{kind} {_told(each[ip], on.inputs)}" for kind, each in fetched.items())
        print(f"  {host:<7} {'   '.join(told)}")
    shares = [fetched["exposures"][ip] / on.inputs for ip in _HOSTS.values()]
    total = sum(fetched["exposures"].values()) / on.inputs
    print(f"  exposures: at most {max(shares):.2f} on a host, {total:.2f} in all")
    steps = {kind: dict(each) for kind, each in on.makers("hosts").items()}
    print("  steps by host:", steps, flush=True)
    wrong = [f"{name}: a host fetched {share:.2f}" for share in shares if share > MOST]
    return wrong + ([f"{name}: {total:.2f} were fetched in all"] if total > SUM else [])


def _told(size: int, inputs: int) -> str:
    return f"{size / 1e6:6.1f} ({size / inputs:.2f})"


def _fetched(faults: Faults, kind: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for (client, path), size in faults.fetched.items():
        if kind == _kind_of(path):
            found[client] += size
    return found


def _kind_of(path: str) -> str:
    if path.endswith("_flt.fits"):
        return "exposures"
    return "drizzled" if path.endswith("_drizzled.npy") else "others"


def _run(on: Stage, command: list[str], name: str) -> None:
    done = subprocess.run(
        command,
        env=on.environment(on.folder / f"driver-{name}"),
        capture_output=True,
        text=True,
        timeout=_LONGEST,
    )
    if done.returncode:
        raise SystemExit(f"{name} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def play(on: Stage, workers: int) -> list[str]:
    """Run the campaign from nothing and anew; return what is wrong."""
    wrong = run_on_hosts(on, "from nothing", workers)
    changed = {"final_pixfrac": 0.9}
    wrong += run_on_hosts(on, "again", workers, **changed)
    _run(on, on.campaign("alone", {"workers": 1}, **changed), "one worker")
    same = on.products("alone") == on.products("hosts")
    print(f"the mosaics are{'' if same else ' NOT'} those of one worker, byte for byte", flush=True)
    return wrong if same else [*wrong, "the mosaics are not those of one worker"]


@contextmanager
def networks() -> Iterator[dict[str, str]]:
    """Yield a network namespace for each host, joined to the one that this process is in."""
    names = {host: f"sm-{uuid4().hex[:6]}-{host}" for host in _HOSTS}
    _ip("link", "set", "lo", "up")
    _ip("link", "add", "hosts", "type", "bridge")
    _ip("address", "add", f"{_HERE}/24", "dev", "hosts")
    _ip("link", "set", "hosts", "up")
    try:
        for host, name in names.items():
            _ip("netns", "add", name)
            _ip("link", "add", host, "type", "veth", "peer", "eth0", "netns", name)
            _ip("link", "set", host, "master", "hosts", "up")
            _ip("-n", name, "address", "add", f"{_HOSTS[host]}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                _ip("-n", name, "link", "set", device, "up")
        yield names
    finally:
        for name in names.values():
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def main() -> int:
    """Play both rounds; print what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exposures", type=int, default=36)
    parser.add_argument("--workers", type=int, default=1, help="on each host")
    given = parser.parse_args()
    # So that what was started is stopped then, too; a shell's background job has no Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="two-hosts-") as temporary:
        folder = Path(temporary)
        (folder / "data").mkdir()
        names = write_many(folder / "data", lattice(given.exposures, _SIDE, _STEP), share=0.001)
        with (
            networks() as hosts,
            s3_server(folder / "s3") as server,
            faulty_proxy(server.url, _HERE) as (proxy, faults),
        ):
            for name in names:
                server.client().upload_file(str(folder / "data" / name), BUCKET, f"inputs/{name}")
            inputs = sum((folder / "data" / name).stat().st_size for name in names)
            wrong = play(Stage(folder, server, proxy, faults, hosts, inputs), given.workers)
    for line in wrong:
        print(f"MISSED: {line}")
    print(
        f"{given.exposures} exposures, {given.workers} workers a host: "
        f"{'failed' if wrong else 'as it should'} ({time.monotonic() - started:.0f} s)"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
