"""``python -m skymosaic.clusters.worker`` is ``dask worker``, closed to other users of the host.

Its files are in a private folder, not in Dask's ``dask-scratch-space``: whoever made that one can
put other files in the place of a worker's, which reads them as objects of Python.
"""

from __future__ import annotations

import sys

import dask
from distributed.cli import dask_worker

from skymosaic.clusters import servers
from skymosaic.host import scratch


def main() -> None:
    """Work until it is told to end; arguments as those of ``dask worker``."""
    options = ["--no-dashboard", "--worker-class", servers.WORKER]
    with (
        scratch.folder(None, "dask") as folder,
        dask.config.set({"temporary-directory": str(folder)}),
    ):
        dask_worker.main([*options, *sys.argv[1:]], prog_name="dask worker")


if __name__ == "__main__":
    main()
