"""A real S3 server (SeaweedFS) on 127.0.0.1, for tests, benchmarks and the chaos script.

``python -m tests.s3_server FOLDER`` starts one, makes the bucket ``skymosaic``, prints the
environment that skymosaic needs, and stops it at Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from botocore.config import Config

BUCKET = "skymosaic"
ACCESS_KEY, SECRET_KEY = "testAccessKey", "testSecretOfSkymosaic"
_PATIENCE = 60.0  # s


class S3Server:
    """The server; `start` and `stop` may be called again and again, its data stay.

    Parameters
    ----------
    folder : Path
        Where it keeps its data and its log.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_ports()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "data").mkdir(parents=True, exist_ok=True)
        identity = {
            "name": "test",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        }
        (folder / "identities.json").write_text(json.dumps({"identities": [identity]}))

    @property
    def environment(self) -> dict[str, str]:
        """What a client's process needs to know, by AWS's own names."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self):
        """Return a plain boto3 client."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
            config=Config(retries={"max_attempts": 10, "mode": "standard"}),
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        master, volume, filer = (self.port + i for i in (1, 2, 3))
        arguments = {
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "dir": self.folder / "data",
            "master.port": master,
            "volume.port": volume,
            "filer.port": filer,
            "s3.port": self.port,
            # Their defaults are ports that two servers cannot share.
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.config": self.folder / "identities.json",
            "master.volumeSizeLimitMB": 256,
            "volume.max": 40,
            "master.telemetry": "false",
        }
        weed = Path(sys.executable).with_name("weed")
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(str(weed), "-logtostderr=true", "server", "-filer", "-s3"),
                    *(f"-{name}={value}" for name, value in arguments.items()),
                ],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        self._wait()

    def _wait(self) -> None:
        client, end = self.client(), time.monotonic() + _PATIENCE
        while True:
            try:
                if BUCKET not in [b["Name"] for b in client.list_buckets()["Buckets"]]:
                    client.create_bucket(Bucket=BUCKET)
                client.put_object(Bucket=BUCKET, Key="is-there", Body=b"")
                client.delete_object(Bucket=BUCKET, Key="is-there")
                return
            except Exception as error:
                if time.monotonic() > end or self._process is None or self._process.poll():
                    raise RuntimeError(
                        f"the S3 server did not start; see {self.folder / 'server.log'}"
                    ) from error
                time.sleep(0.2)

    def stop(self) -> None:
        """Kill it: its data are disposable, and it takes up to 30 s to stop when asked."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


def flip_byte(client, bucket: str, key: str) -> None:
    """Change one byte in the middle of a stored object, keeping its size."""
    content = bytearray(client.get_object(Bucket=bucket, Key=key)["Body"].read())
    content[len(content) // 2] ^= 0xFF
    client.put_object(Bucket=bucket, Key=key, Body=bytes(content))


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """Yield a running server, stopped at the end."""
    server = S3Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _free_ports() -> int:
    """Return a port P such that P to P + 3, and those 10000 higher (gRPC), are free."""
    while True:
        # Below the ports that the system gives to clients, with those for gRPC, too.
        first = random.randrange(20000, 22760, 4)
        wanted = [base + i for base in (first, first + 10000) for i in range(4)]
        if all(map(_is_free, wanted)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def main() -> None:
    """Run a server until it is interrupted."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    with s3_server(Path(sys.argv[1])) as server:
        for name, value in server.environment.items():
            print(f"export {name}={shlex.quote(value)}")
        print(f"# bucket: s3://{BUCKET}; pid {os.getpid()}; Ctrl-C or SIGTERM stops it", flush=True)
        # A shell lets its background jobs ignore Ctrl-C: SIGTERM stops it, too.
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
