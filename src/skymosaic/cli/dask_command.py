"""``dask skymosaic ...``: the same commands among Dask's own, imported when one is asked for."""

from __future__ import annotations

import click


@click.command(
    name="skymosaic",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def skymosaic(arguments: tuple[str, ...]) -> None:
    """Make sky-matched HST mosaics; `dask skymosaic submit CONFIG` submits one to Dask."""
    from skymosaic.cli.main import main

    main(list(arguments), prog_name="dask skymosaic")
