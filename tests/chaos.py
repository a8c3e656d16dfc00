"""Faults during a campaign on an S3 store, each followed by the same checks.

The campaign is three small simulated tiles. A scenario breaks something while it runs; then, if the
run did not survive, the same command is given once more, as a user would. In the end the table must
be the undisturbed one, every product must be what its manifest says, and no process, scratch folder
or staged file may be left. `scripts/chaos` runs all scenarios and prints a table.

Where the engine onepass works as many tasks, a worker is killed in each of their stages; then every
mosaic, and all that it is made from, must be the undisturbed one, byte for byte.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.conftest import TILES
from tests.faulty_proxy import Faults, faulty_proxy
from tests.holders import folder_in_use, stop_worker_in
from tests.mast_standin import Archive, configuration, mast_standin
from tests.s3_server import BUCKET, S3Server, flip_byte, s3_server
from tests.strangers import USER
from tests.trials import NotTriedError, TrialError, play

STAGES = {
    "retrieve": "pristine-",
    "tile_sources": "tile_sources-",
    "solution": "solution-",
    "moved": "moved-",
    "aligned": "aligned-",
    "plan": "plan-",
    "drizzle": "runs-match-",
    "gather": "comparison-",
}
"""Stages, and how the scratch folders of their steps begin."""
MANY_TASKS = {
    "outlines": "outlines-",
    "low": "low-",
    "static": "static-",
    "singles": "singles-",
    "separate": "separate-",
    "medians": "medians-",
    "hits": "hits-",
    "measured": "measured-",
    "guesses": "guesses-",
    "first_skies": "first_skies-",
    "equations": "equations-",
    "skies": "skies-",
    "blocks": "blocks-",
    "variances": "variances-",
    "errors": "errors-",
    "headers": "headers-",
    "runs/METHOD": "runs-",
}
"""The same of the engine onepass, where it makes one mosaic by many tasks."""
_CAMPAIGN = {
    "campaign": {"name": "tiles"},
    **TILES,
    # Killed workers are given up soon, and a server that is away is waited for.
    "store": {"patience": 90},
}
_ONEPASS = {
    "sky": {"methods": ["localmin", "match", "match-differences"], "footprints": "swapped"},
    "drizzle": {
        "engine": "onepass",
        "witness": False,
        "products": ["err"],
        "parameters": dict.fromkeys(("driz_separate", "median", "blot", "driz_cr"), True),
    },
}
"""Sections of a campaign that has all of `MANY_TASKS`."""
_MAST = {
    "kind": "mast",
    "proposal_id": [12812],
    "filters": ["F160W"],
    "download": "mast",
    "downloads": 2,
}
_TABLE = "tiles/comparison/mdrizsky.csv"
_OUTAGE = 20.0  # s
_LONGEST = 900.0  # s that a run may take, on a busy machine


@dataclass
class Stage:
    """Where the scenarios play: a server, a proxy, an undisturbed table."""

    folder: Path
    server: S3Server
    proxy: str
    faults: Faults
    undisturbed: bytes = b""
    """What a run gives that nobody disturbs; empty: not made yet."""
    of_onepass: dict[str, bytes] = field(default_factory=dict)
    """All that the engine onepass made undisturbed, by key."""

    @property
    def client(self) -> Any:
        """A plain S3 client that goes past the proxy."""
        return self.server.client()


@dataclass
class Run:
    """One run of the campaign, with its own prefix and scratch folder."""

    stage: Stage
    name: str
    environment: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    """A command that the campaign is started by."""
    sections: dict[str, Any] = field(default_factory=dict)
    """Of the campaign file, instead of its own."""
    table: bytes = b""
    """What it must give in the end; empty: the undisturbed one."""
    process: subprocess.Popen[str] | None = None
    output: str = ""
    seen: dict[int, psutil.Process] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.stage.folder / self.name
        self.scratch = self.folder / "scratch"
        self.scratch.mkdir(parents=True)
        self.write()

    def write(self, **sections: Any) -> None:
        """Write the campaign file, with other sections."""
        self.sections |= sections
        text = yaml.safe_dump({**_CAMPAIGN, **self.sections})
        (self.folder / "tiles.yaml").write_text(text)

    @property
    def store(self) -> str:
        """The URI of the store."""
        return f"s3://{BUCKET}/{self.name}"

    def start(self) -> None:
        """Start the campaign."""
        self.process = subprocess.Popen(
            [
                *self.prefix,
                *(sys.executable, "-m", "skymosaic", "run", str(self.folder / "tiles.yaml")),
                *("--store", self.store, "--workers", "2", "--scratch", str(self.scratch)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # as a terminal gives it: what it sends comes to all of them
            # Who started us may ignore them (a background job, nohup), and that is inherited.
            preexec_fn=lambda: [
                signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGHUP)
            ],
            env={
                **os.environ,
                **self.stage.server.environment,
                "AWS_ENDPOINT_URL_S3": self.stage.proxy,
                "TMPDIR": str(self.scratch),
                **self.environment,
            },
        )
        threading.Thread(target=self._watch, args=(self.process,), daemon=True).start()

    def _watch(self, process: subprocess.Popen[str]) -> None:
        """Remember every process that the run started."""
        while process.poll() is None:
            try:
                for child in psutil.Process(process.pid).children(recursive=True):
                    self.seen[child.pid] = child
            except psutil.Error:
                pass
            time.sleep(0.1)

    def end(self) -> int:
        """Wait for the end; return the exit code."""
        assert self.process is not None
        try:
            out, _ = self.process.communicate(timeout=_LONGEST)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise TrialError(f"{self.name} did not end within {_LONGEST:.0f} s") from None
        self.output += out
        return self.process.returncode

    def _folder_in(self, stage: str) -> Path | None:
        return folder_in_use(self.scratch, ({**STAGES, **MANY_TASKS})[stage])

    def in_stage(self, stage: str) -> Path:
        """Wait until a step of a stage is at work; return its scratch folder."""
        return self.wait_for(lambda: self._folder_in(stage), f"the stage {stage}")

    def wait_for(self, condition: Callable[[], Any], what: str) -> Any:
        """Return what `condition` gives as soon as it is true."""
        end = time.monotonic() + _LONGEST
        while time.monotonic() < end:
            if found := condition():
                return found
            if self.process and self.process.poll() is not None:
                raise TrialError(f"the run ended before {what}:\n{self.process.stdout.read()}")
            time.sleep(0.005)
        raise TrialError(f"waited in vain for {what}")

    def worker_in(self, stage: str) -> psutil.Process:
        """Wait until a worker is in the middle of a step of a stage; return it, stopped there."""
        return self.wait_for(
            lambda: stop_worker_in(self._folder_in(stage)), f"a worker in the stage {stage}"
        )

    def objects(self) -> dict[str, bytes]:
        """Return everything below the campaign, by key."""
        client = self.stage.client
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix=f"{self.name}/tiles/"
        )
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return {
            key.removeprefix(f"{self.name}/"): client.get_object(Bucket=BUCKET, Key=key)[
                "Body"
            ].read()
            for key in keys
        }

    def check_whole(self, objects: dict[str, bytes]) -> int:
        """Check that every manifest's products are there as it says; return how many there are."""
        count = 0
        for key, content in objects.items():
            if key.startswith("tiles/manifests/"):
                for product in json.loads(content)["products"].values():
                    found = objects.get(product["key"])
                    if found is None or hashlib.sha256(found).hexdigest() != product["sha256"]:
                        raise TrialError(f"{key} names {product['key']}, which is not that")
                    count += 1
        return count

    def check_end(self) -> None:
        """Check all that must be so after the last run."""
        objects = self.objects()
        if objects.get(_TABLE) != (self.table or undisturbed(self.stage)):
            raise TrialError("the table is not the undisturbed one")
        self.check_whole(objects)
        if staged := [key for key in objects if key.startswith("tiles/staging/")]:
            raise TrialError(f"staged files are left: {staged}")
        end = time.monotonic() + 20
        while alive := [p for p in self.seen.values() if _lives(p)]:
            if time.monotonic() > end:
                raise TrialError(f"processes are left: {[p.cmdline() for p in alive]}")
            time.sleep(0.2)
        if left := [path.name for path in self.scratch.iterdir()]:
            raise TrialError(f"scratch is left: {left}")
        for secret in ("testSecretOfSkymosaic",):
            if secret in self.output or any(secret.encode() in v for v in objects.values()):
                raise TrialError("a credential is in a log, a manifest or a product")


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _go_on(run: Run, what: str) -> str:
    """Give the same command again after a run that did not survive."""
    run.check_whole(run.objects())  # what is visible is whole, even now
    run.start()
    if code := run.end():
        raise TrialError(f"the next run ended with {code}:\n{run.output}")
    return what


def kill_worker(run: Run, stage: str) -> str:
    """Kill -9 the worker that is at work in a stage."""
    run.start()
    run.worker_in(stage).send_signal(signal.SIGKILL)
    if code := run.end():
        raise TrialError(f"ended with {code}:\n{run.output}")
    return "the run went on with other workers"


def kill_worker_of_onepass(run: Run, stage: str) -> str:
    """The same in a stage of the engine onepass, of whose products every byte is compared."""
    objects = of_onepass(run.stage)
    run.table = objects[_TABLE]
    run.write(**_ONEPASS)
    kill_worker(run, stage)
    made, wanted = _checksums(run.objects()), _checksums(objects)
    if others := sorted(key for key in wanted | made if made.get(key) != wanted.get(key)):
        raise TrialError(f"not those of the undisturbed run: {others}")
    return f"the run went on with other workers; {len(made)} products are the same bytes"


def undisturbed(on: Stage) -> bytes:
    """Return the table of a run that nobody disturbs; made once."""
    if not on.undisturbed:
        on.undisturbed = _undisturbed_run(on, "undisturbed")[_TABLE]
    return on.undisturbed


def of_onepass(on: Stage) -> dict[str, bytes]:
    """Return all that the engine onepass makes when nobody disturbs it, by key; made once."""
    if not on.of_onepass:
        on.of_onepass.update(_undisturbed_run(on, "undisturbed-onepass", **_ONEPASS))
    return on.of_onepass


def _undisturbed_run(on: Stage, name: str, **sections: Any) -> dict[str, bytes]:
    run = Run(on, name, sections=sections)
    run.start()
    if code := run.end():
        raise TrialError(f"the undisturbed run ended with {code}:\n{run.output}")
    objects = run.objects()
    run.table = objects[_TABLE]
    run.check_end()
    return objects


def _checksums(objects: dict[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of all products but logs and the report, which has times in it."""
    return {
        product["key"]: product["sha256"]
        for key, content in objects.items()
        if key.startswith("tiles/manifests/") and not key.endswith("/comparison.json")
        for product in json.loads(content)["products"].values()
        if not product["key"].endswith(".log")
    }


def kill_driver(run: Run, stage: str) -> str:
    """Kill -9 the driver during a stage."""
    run.start()
    run.in_stage(stage)
    assert run.process is not None
    run.process.send_signal(signal.SIGKILL)
    run.end()
    return _go_on(run, "the next run went on")


def terminate_worker(run: Run) -> str:
    """SIGTERM to a worker at work: a machine that is about to be taken away."""
    run.start()
    worker = run.worker_in("drizzle")
    worker.send_signal(signal.SIGTERM)
    worker.resume()
    if code := run.end():
        raise TrialError(f"ended with {code}:\n{run.output}")
    return "its work went to others"


def kill_drizzlepac(run: Run) -> str:
    """Kill -9 AstroDrizzle's own process, as the kernel does when memory runs out."""
    run.start()
    folder = str(run.in_stage("drizzle"))

    def drizzling() -> psutil.Process | None:
        for process in psutil.Process(run.process.pid).children(recursive=True):
            try:
                if process.cwd().startswith(folder):
                    return process
            except psutil.Error:
                continue
        return None

    run.wait_for(drizzling, "AstroDrizzle").send_signal(signal.SIGKILL)
    if code := run.end():
        raise TrialError(f"ended with {code}:\n{run.output}")
    if "again, with 2 times the memory" not in run.output:
        raise TrialError(f"the second try was not told:\n{run.output}")
    return "named, and run again with twice the memory"


def stop_server(run: Run) -> str:
    """Stop the S3 server for 20 s in the middle."""
    run.start()
    run.in_stage("drizzle")
    run.stage.server.stop()
    time.sleep(_OUTAGE)
    run.stage.server.start()
    if code := run.end():
        raise TrialError(f"ended with {code}:\n{run.output}")
    return "the run waited for it"


def slow_down(run: Run) -> str:
    """503 SlowDown to a tenth of all requests."""
    faults = run.stage.faults
    faults.every_nth_is_busy, faults.busy = 10, 0
    run.start()
    code = run.end()
    faults.every_nth_is_busy = 0
    if code:
        raise TrialError(f"ended with {code}:\n{run.output}")
    if not faults.busy:
        raise TrialError("no request was refused")
    return f"{faults.busy} requests were sent again"


def truncated_upload(run: Run) -> str:
    """Cut five uploads in the middle."""
    faults = run.stage.faults
    faults.truncate_uploads, faults.truncated = 5, 0
    run.start()
    if code := run.end():
        raise TrialError(f"ended with {code}:\n{run.output}")
    if faults.truncated != 5:
        raise TrialError(f"{faults.truncated} uploads were cut")
    return "5 uploads were sent again"


def flipped_byte(run: Run) -> str:
    """Flip a byte of a stored exposure before the exposures are aligned."""
    run.start()
    key = f"{run.name}/tiles/pristine/ibxl51eoq_flt.fits"
    client = run.stage.client

    def stored() -> bool:
        manifest = f"{run.name}/tiles/manifests/pristine/ibxl51.json"
        return client.list_objects_v2(Bucket=BUCKET, Prefix=manifest)["KeyCount"] == 1

    run.wait_for(stored, "the exposures of a tile")
    assert run.process is not None
    run.process.send_signal(signal.SIGKILL)  # the next run has no cache to take them from
    run.end()
    flip_byte(client, BUCKET, key)
    run.start()
    if code := run.end():
        raise TrialError(f"ended with {code}:\n{run.output}")
    if "ibxl51eoq_flt.fits changed in the store" not in run.output:
        raise TrialError(f"the damage was not named:\n{run.output}")
    return "found, named and made again"


def full_scratch(run: Run, size: str) -> str:
    """A scratch folder on a file system that is too small."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(run.scratch)], check=False
    )
    if mounted.returncode:
        raise NotTriedError("mounting a small file system is not permitted here")
    try:
        run.start()
        code = run.end()
    finally:
        subprocess.run(["umount", "--lazy", str(run.scratch)], check=True)
    if code != 9 or not all(word in run.output for word in ("no space left", "compute.scratch")):
        raise TrialError(f"ended with {code}, not with 9 and 'no space left':\n{run.output}")
    return _go_on(run, "refused by name (exit code 9); the next run, with more, went on")


def hang_up(run: Run) -> str:
    """The terminal is closed: SIGHUP to all that was started from it."""
    run.start()
    run.in_stage("drizzle")
    assert run.process is not None
    os.killpg(run.process.pid, signal.SIGHUP)
    if (code := run.end()) != 129:
        raise TrialError(f"ended with {code}, not with 129:\n{run.output}")
    if "Traceback" in run.output:
        raise TrialError(f"ended with a traceback:\n{run.output}")
    return _go_on(run, "ended in order (exit code 129); the next run went on")


def anothers_folders(run: Run) -> str:
    """Another user has made folders, files and FIFOs by our names in the temporary folder."""
    if os.getuid():
        raise NotTriedError("only root can make what belongs to another user")
    ours = f"skymosaic-{os.getuid()}"
    cache = "cache-" + hashlib.sha256(run.store.encode()).hexdigest()[:12]
    for name in (f"{ours}-{cache}", f"{ours}-drizzlepac-other", f"{ours}-dask-other"):
        folder = run.scratch / name
        folder.mkdir()
        os.mkfifo(folder / ".lock")
        os.chown(folder / ".lock", USER, USER)
        os.chown(folder, USER, USER)
    os.mkfifo(run.scratch / f"{ours}-fifo")
    os.chown(run.scratch / f"{ours}-fifo", USER, USER)
    run.scratch.chmod(0o1777)
    theirs = sorted(run.scratch.rglob("*"))
    run.start()
    if code := run.end():
        raise TrialError(f"ended with {code}:\n{run.output}")
    if gone := [path for path in theirs if not path.exists()]:
        raise TrialError(f"it removed what belongs to another user: {gone}")
    for path in reversed(theirs):
        path.rmdir() if path.is_dir() else path.unlink()
    return "passed by; nothing of theirs was touched"


def one_download_cache(run: Run) -> str:
    """Two campaigns fetch the same files at the same time, into one folder of unfinished files."""
    data, home = run.folder / "archive", run.folder / "home"
    simulated = ("--size", "small", "--tile", "54", "--tile", "51", "--tile", "55")
    subprocess.run(
        [sys.executable, "-m", "skymosaic", "simulate", str(data), *simulated],
        check=True,
        capture_output=True,
    )
    archive = Archive()
    archive.add_folder(data)
    archive.latency = 2.0  # s: they meet
    with mast_standin(archive) as url:
        environment = configuration(home, url)
        pair = [
            Run(run.stage, f"{run.name}-{i}", environment, sections={"source": _MAST})
            for i in (1, 2)
        ]
        for one in pair:
            one.start()
        try:
            for one in pair:
                if code := one.end():
                    raise TrialError(f"ended with {code}:\n{one.output}")
        finally:
            for one in pair:
                if one.process and one.process.poll() is None:
                    one.process.kill()
    for one in pair:
        one.check_end()
    if left := list((home / "cache" / "skymosaic" / "downloads").iterdir()):
        raise TrialError(f"unfinished files are left: {left}")
    once = sum(archive.sent[name] == path.stat().st_size for name, path in archive.files.items())
    run.start()  # the checks of the end are of this one
    if code := run.end():
        raise TrialError(f"ended with {code}:\n{run.output}")
    return f"{once} of {len(archive.files)} files came once for both"


def wrong_clock(run: Run) -> str:
    """The host's clock is an hour off that of the S3 server."""
    if shutil.which("faketime") is None:
        raise NotTriedError("faketime is not installed (Debian: apt-get install faketime)")
    run.prefix = ("faketime", "-f", "+1h")
    run.start()
    if code := run.end():
        raise TrialError(f"ended with {code}:\n{run.output}")
    if "clock is 36" not in run.output:
        raise TrialError(f"the clock was not named:\n{run.output}")
    return "named, and signed with the server's time"


def _in_each_stage(
    scenario: Callable[[Run, str], str], what: str, stages: Iterable[str] = STAGES
) -> dict[str, Callable[[Run], str]]:
    return {f"{what} {stage}": functools.partial(scenario, stage=stage) for stage in stages}


SCENARIOS: dict[str, Callable[[Run], str]] = {
    **_in_each_stage(kill_worker, "kill -9 of a worker in"),
    **_in_each_stage(kill_driver, "kill -9 of the driver in"),
    **_in_each_stage(kill_worker_of_onepass, "onepass: kill -9 of a worker in", MANY_TASKS),
    "SIGTERM to a worker in drizzle": terminate_worker,
    "memory runs out in drizzle": kill_drizzlepac,
    "S3 server stopped for 20 s": stop_server,
    "503 SlowDown on a tenth of requests": slow_down,
    "truncated uploads": truncated_upload,
    "flipped byte in a stored object": flipped_byte,
    "disk full in scratch": lambda run: full_scratch(run, "12m"),
    "scratch full from the beginning": lambda run: full_scratch(run, "300k"),
    "SIGHUP in drizzle": hang_up,
    "another user's folders in the temporary one": anothers_folders,
    "two campaigns on one download cache": one_download_cache,
    "clock an hour off": wrong_clock,
}


@contextmanager
def stage(undisturbed: bytes = b"") -> Iterator[Stage]:
    """Yield the server, the proxy and the undisturbed table, where it is known."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        folder = Path(name)
        with (
            s3_server(folder / "server") as server,
            faulty_proxy(server.url) as (proxy, faults),
        ):
            yield Stage(folder, server, proxy, faults, undisturbed)


def play_scenario(on: Stage, scenario: str, attempt: int = 1) -> str:
    """Play a scenario and check its end; return what came of it.

    Raises
    ------
    TrialError
        Something was not as it must be.
    NotTriedError
        It cannot be played here.
    """
    name = scenario if attempt == 1 else f"{scenario} {attempt}"
    run = Run(on, "".join(c if c.isalnum() else "-" for c in name))
    try:
        outcome = SCENARIOS[scenario](run)
        run.check_end()
    finally:
        if run.process and run.process.poll() is None:
            run.process.kill()
            run.process.wait()
    return f"same table; {outcome}"


def main() -> int:
    """Play all scenarios, or those whose names hold a word that was given."""
    with stage() as ready:
        # Once: what goes wrong now and then is what is looked for.
        return play(SCENARIOS, sys.argv[1:], functools.partial(play_scenario, ready), tries=1)


if __name__ == "__main__":
    sys.exit(main())
