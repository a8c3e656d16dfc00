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
    """Sky-matched HST mosaics: `dask skymosaic submit CONFIG` sends one to a scheduler."""
    from skymosaic.cli import main

    main(list(arguments), prog_name="dask skymosaic")
