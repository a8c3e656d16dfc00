"""Full disks, real ones: what is said, and with which exit code."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from distributed import Client

from skymosaic.errors import ComputeError, StoreError
from skymosaic.host.disk import STORE_REMEDY, no_space, require_space
from skymosaic.steps.execution import OnWorkers, hold_everywhere, result_of
from skymosaic.steps.step import Bench, Place, run_step
from skymosaic.store.local import LocalStore
from tests.small_disk import small_disk
from tests.unit.small_store import plain


def test_a_full_store_tells_the_free_space_of_its_own_file_system(tmp_path: Path) -> None:
    file = tmp_path / "mosaic.fits"
    file.write_bytes(b"x" * 200_000)
    with small_disk(tmp_path / "disk", "64k") as disk:
        store = LocalStore(disk / "store" / "deep")
        with pytest.raises(
            StoreError, match=r"no space left for .*\(0 MB free\).*--store"
        ) as caught:
            store.put(file, "demo/mosaic.fits")
        # What was half-written is gone, and the store's folder with it.
        assert list(disk.iterdir()) == [disk / "store"]
    assert caught.value.exit_code == 9


def test_the_free_space_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with small_disk(tmp_path / "disk", "5m") as disk:
        assert "(5 MB free)" in str(no_space(full, "x", disk / "not" / "there", STORE_REMEDY))
        quota = OSError(errno.EDQUOT, "Disk quota exceeded")
        assert "(5 MB free; the limit is this user's quota)" in str(
            no_space(quota, "x", disk, STORE_REMEDY)
        )
        require_space(disk / "not" / "there", STORE_REMEDY)
    with small_disk(tmp_path / "disk", "64k") as disk, pytest.raises(StoreError, match="free some"):
        require_space(disk, STORE_REMEDY)


def write_large(bench: Bench) -> dict[str, object]:
    fits.writeto(bench.out / "large.fits", np.ones((500, 500)))
    return {}


@pytest.mark.parametrize("size", ["8k", "64k", "1m"])
def test_a_scratch_folder_that_is_full(tmp_path: Path, size: str) -> None:
    store = LocalStore(tmp_path / "store")
    with small_disk(tmp_path / "disk", size) as disk:
        place = Place(store, "demo", disk)
        with pytest.raises(StoreError, match=rf"no space left .* in {disk}.*compute\.scratch"):
            run_step(
                *(place, plain("plan")), inputs={}, parameters={}, versions={}, work=write_large
            )
        assert list(disk.iterdir()) == []


def full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "/scratch/file")


def full_by_another_word() -> None:
    raise OSError("Not enough space on disk: requested 1048576, available 0.")


def forbidden() -> None:
    raise PermissionError(errno.EACCES, "Permission denied", "/scratch/file")


def test_what_a_task_may_not_write_is_no_lost_worker() -> None:
    with Client(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as client:
        calls = OnWorkers(client)
        for task in (full, full_by_another_word):
            with pytest.raises(StoreError, match=r"no space left .* compute\.scratch"):
                result_of(calls.call(task))
            with pytest.raises(StoreError, match=r"no space left .* compute\.scratch"):
                hold_everywhere(client, [calls.call(task)])
        with pytest.raises(
            StoreError, match=r"Permission denied: '/scratch/file'.*compute\.scratch"
        ):
            result_of(calls.call(forbidden))
        waiting = calls.call(forbidden)
        client.cancel([waiting])
        with pytest.raises(ComputeError, match="the workers were lost"):
            result_of(waiting)
