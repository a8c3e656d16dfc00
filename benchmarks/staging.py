"""Files to and from the S3 store: ours against boto3's own upload_file and download_file.

Ours computes a SHA-256 of each file, lets the server check what arrives, and checks what is read. A
real S3 server (SeaweedFS) runs on this machine, on the same cores. The sides alternate, each in a
process of its own, whose largest resident set is told. The same files, the same server.

    python benchmarks/staging.py                      # 200 files of 1 MB, 20 of 200 MB
    python benchmarks/staging.py --repeats 1 --large 2

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from tests.s3_server import BUCKET, s3_server  # noqa: E402

TARGET = 0.8
"""Least throughput, ours to boto3's."""
SIDES = ("boto3", "skymosaic")
MB = 1_000_000


def move_plain(source: Path, folder: Path, count: int) -> tuple[float, float]:
    """Upload and download with boto3 alone; return both times in s."""
    import boto3

    client = boto3.client("s3")
    started = time.monotonic()
    for i in range(count):
        client.upload_file(str(source), BUCKET, f"plain/{i}")
    up = time.monotonic() - started
    started = time.monotonic()
    for i in range(count):
        client.download_file(BUCKET, f"plain/{i}", str(folder / f"{i % 4}"))
    return up, time.monotonic() - started


def move_ours(source: Path, folder: Path, count: int) -> tuple[float, float]:
    """Put and get with our store; return both times in s."""
    from skymosaic.store import open_store

    store = open_store(f"s3://{BUCKET}")
    started = time.monotonic()
    products = [store.put(source, f"ours/{i}") for i in range(count)]
    up = time.monotonic() - started
    started = time.monotonic()
    for i, product in enumerate(products):
        store.get(product, folder / f"{i % 4}")
    return up, time.monotonic() - started


def measure(side: str, size: int, count: int) -> None:
    """Do one side in this process, and print what it took."""
    with tempfile.TemporaryDirectory(prefix="staging-") as name:
        folder = Path(name)
        source = folder / "source"
        block = os.urandom(MB)
        with source.open("wb") as file:
            for _ in range(size // MB):
                file.write(block)
        move = move_plain if side == "boto3" else move_ours
        move(source, folder, 1)  # imports, connections
        up, down = move(source, folder, count)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"up_s": up, "down_s": down, "peak_memory_mb": round(peak / MB)}))


def run_side(side: str, size: int, count: int, environment: dict[str, str]) -> dict[str, float]:
    """Do one side in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--side", side, "--size", str(size), "--count", str(count)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{side} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(size: int, count: int, repeats: int) -> dict[str, object]:
    """Alternate the sides on a fresh server; return medians and their ratios."""
    seen: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for repeat in range(repeats):
        for side in SIDES if repeat % 2 == 0 else SIDES[::-1]:
            # A server that kept what the other side wrote would be slower for this one.
            with (
                tempfile.TemporaryDirectory(prefix="staging-s3-") as name,
                s3_server(Path(name)) as server,
            ):
                taken = run_side(side, size, count, server.environment)
            seen[side].append(taken)
            rates = (count * size / MB / taken[way] for way in ("up_s", "down_s"))
            print(
                f"{count} x {size // MB} MB {side:<10} up {next(rates):6.0f} MB/s  "
                f"down {next(rates):6.0f} MB/s  {taken['peak_memory_mb']:5.0f} MB",
                flush=True,
            )
    median = {
        side: {
            way: statistics.median(taken[way] for taken in seen[side]) for way in ("up_s", "down_s")
        }
        for side in SIDES
    }
    throughput = {
        way: round(median["boto3"][f"{way}_s"] / median["skymosaic"][f"{way}_s"], 3)
        for way in ("up", "down")
    }
    return {
        "files": count,
        "file_mb": size // MB,
        "throughput_ratio": throughput,
        "peak_memory_mb": {
            side: max(taken["peak_memory_mb"] for taken in seen[side]) for side in SIDES
        },
        "target_met": min(throughput.values()) >= TARGET,
    }


def main() -> None:
    """Compare both sizes, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--small", type=int, default=200, help="files of 1 MB")
    parser.add_argument("--large", type=int, default=20, help="files of 200 MB")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        measure(options.side, options.size, options.count)
        return
    figures = {
        "repeats": options.repeats,
        "target_ratio": TARGET,
        "small": compare(MB, options.small, options.repeats),
        "large": compare(200 * MB, options.large, options.repeats),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
