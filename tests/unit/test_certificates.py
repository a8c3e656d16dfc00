"""The certificate of a run: for all roles, and for clocks that do not agree."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dask
import pytest
from cryptography import x509
from distributed.security import Security

from skymosaic.clusters import certificates


def test_hosts_whose_clocks_are_half_a_day_off_accept_it() -> None:
    certificate = x509.load_pem_x509_certificate(certificates.of_run().tls_ca_file.encode())
    now = datetime.now(UTC)
    assert certificate.not_valid_before_utc < now - timedelta(hours=12)
    assert certificate.not_valid_after_utc > now + timedelta(days=300)


def test_who_has_it_is_heard_and_who_has_another_is_not(tmp_path: Path) -> None:
    ours, theirs = certificates.of_run(), certificates.of_run()

    async def answer(client: ssl.SSLContext) -> bytes:
        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"heard")
            writer.close()

        context = ours.get_listen_args("scheduler")["ssl_context"]
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
            try:
                return await reader.read()
            finally:
                writer.close()

    for role in ("client", "worker"):
        assert asyncio.run(answer(ours.get_connection_args(role)["ssl_context"])) == b"heard"
    try:
        heard = asyncio.run(answer(theirs.get_connection_args("client")["ssl_context"]))
    except (ssl.SSLError, ConnectionError):
        heard = b""
    assert heard == b""


def test_its_files_are_for_the_user_alone(tmp_path: Path) -> None:
    certificates.write(tmp_path)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    read = certificates.security_of(tmp_path)
    assert read.get_connection_args("client")["ssl_context"] is not None


def test_the_variables_are_all_that_dasks_programs_need(tmp_path: Path) -> None:
    certificates.write(tmp_path)
    read = {
        name.removeprefix("DASK_").lower().replace("__", "."): dask.config.interpret_value(value)
        for name, value in certificates.environment(tmp_path).items()
    }
    with dask.config.set(read):
        security = Security()
    assert security.require_encryption is True
    for role in ("client", "scheduler", "worker"):
        assert security.get_connection_args(role)["ssl_context"] is not None
        assert security.get_listen_args(role)["ssl_context"] is not None


@pytest.mark.parametrize("days", [0.5, 800])
def test_it_lasts_as_long_as_it_is_wanted_and_a_day_for_clocks(days: float) -> None:
    lasting = timedelta(days=days)
    text = certificates.of_run(lasting).tls_ca_file
    ends = x509.load_pem_x509_certificate(text.encode()).not_valid_after_utc
    assert timedelta(hours=23) < ends - (datetime.now(UTC) + lasting) <= timedelta(days=1)
