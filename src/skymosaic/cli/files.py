"""Commands on a campaign file, and on what it needs: check, schema, query, simulate, doctor."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import wrap
from typing import Literal

import click

from skymosaic.archive.simulated.names import (
    INSTRUMENTS,
    IR_FILTERS,
    SCENES,
    FilterName,
    InstrumentName,
    SceneName,
)
from skymosaic.cli.common import campaign_file, ended_cleanly, say, set_option, store_option
from skymosaic.config import Campaign, DirectorySource, json_schema, load_campaign, shown_yaml


@click.command()
@campaign_file
@store_option
@set_option
@ended_cleanly
def check(config: Path, settings: tuple[str, ...], store: str | None) -> None:
    """Validate CONFIG and print it with all defaults.

    Also prints the output grid and the memory that a worker needs, as far as CONFIG tells. The
    exposures are not read. `skymosaic inspect` reads them.
    """
    from skymosaic.pipeline.admission import require_possible
    from skymosaic.pipeline.known_groups import doubts, require_groups_possible
    from skymosaic.pipeline.sentences.reference import reference_line
    from skymosaic.pipeline.sentences.sizes import size_lines

    campaign = load_campaign(config, {"store.uri": store}, settings)
    require_possible(campaign)
    require_groups_possible(campaign)
    say(*shown_yaml(campaign).removesuffix("\n").split("\n"))
    aligned_to = [line] if (line := reference_line(campaign)) else []
    for line in (*aligned_to, *size_lines(campaign), *_drizzlepac_defaults(campaign)):
        say(*wrap(line, 80, initial_indent="# ", subsequent_indent="#   "))
    if isinstance(campaign.source, DirectorySource) and not campaign.source.path.is_dir():
        say(f"note: source.path {campaign.source.path} is not a folder on this host", err=True)
    for doubt in doubts(campaign):
        say(f"note: {doubt}", err=True)
    say(f"{config} is valid; the exposures were not read", err=True)


def _drizzlepac_defaults(campaign: Campaign) -> list[str]:
    """Return what drizzlepac is called with where neither file nor drizzlepac says otherwise."""
    from skymosaic.align import tweakreg
    from skymosaic.align.finding import NOISE_IS_GIVEN
    from skymosaic.pipeline.sentences.order import lines_before

    lines = lines_before(campaign)
    if campaign.align.method != "none":
        if campaign.align.solve == "together":
            lines.append("TweakReg: not used, and align.tweakreg has no effect (align.solve)")
        else:
            defaults = {**tweakreg.DEFAULTS, "minobj": campaign.align.gates.min_matches}
            lines.append(f"TweakReg: { {**defaults, **campaign.align.tweakreg} }")
        given = campaign.align.imagefind
        chosen = [] if "conv_width" in given else ["conv_width"]
        chosen += [] if NOISE_IS_GIVEN & set(given) else ["the noise", "the threshold"]
        chosen_later = (
            f"; chosen from the images when they are aligned: {', '.join(chosen)}" if chosen else ""
        )
        lines.append(f"imagefind: {dict(given)}{chosen_later}")
    return lines


@click.command()
@ended_cleanly
def schema() -> None:
    """Print the JSON Schema of campaign files.

    Editors use it to check and to complete a campaign file. It describes every key.
    """
    click.echo(json.dumps(json_schema(), indent=1))


@click.command()
@campaign_file
@set_option
@ended_cleanly
def query(config: Path, settings: tuple[str, ...]) -> None:
    """List what MAST has for CONFIG; download nothing.

    Lists files, bytes and the groups that CONFIG makes of them; without `groups`, by target and
    filter. CONFIG must have `source: {kind: mast}`.
    """
    from skymosaic.archive.mast.source import parcels_of
    from skymosaic.cli.display import group_lines, query_lines
    from skymosaic.pipeline import sources
    from skymosaic.pipeline.groups import groups_of

    campaign = load_campaign(config, settings=settings)
    found = sources.query(campaign)
    say(*query_lines(found.files, found.refused))
    mosaics = None if campaign.groups is None else groups_of(campaign, parcels_of(found))
    say(*group_lines(found.files, mosaics))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--instrument",
    type=click.Choice(INSTRUMENTS),
    default="wfc3-ir",
    show_default=True,
    help="Camera to simulate. acs-wfc and wfc3-uvis are CCDs.",
)
@click.option(
    "--seed",
    default=12812,
    show_default=True,
    help="Seed of the random numbers: the same seed gives the same pixels.",
)
@click.option(
    "--size",
    type=click.Choice(["full", "small"]),
    default="full",
    show_default=True,
    help="Size of the frames; small ones are quick to process.",
)
@click.option(
    "--tile",
    "tiles",
    multiple=True,
    help="Make this tile, e.g. 54; give the option once for each tile. Default: all nine. "
    "CCDs: e.g. 03; default: 01 and 02.",
)
@click.option(
    "--filter",
    "filter_",
    type=click.Choice(IR_FILTERS),
    help="WFC3/IR only: observe with this filter; default: F160W. The scene is the same.",
)
@click.option(
    "--dithers",
    type=click.IntRange(min=1),
    help="Number of exposures of each tile; default: 2, CCDs: 3.",
)
@click.option(
    "--scene",
    type=click.Choice(SCENES),
    help="What the exposures show; default: horsehead, CCDs: sparse. "
    "In each of the others a different sky method is best.",
)
@click.option(
    "--chip-step",
    default=0.0,
    show_default=True,
    help="CCDs only: sky of chip 2 minus sky of chip 1, as a fraction of their mean.",
)
@click.option(
    "--sky", type=float, help="CCDs only: mean sky, in electrons/s per pixel; default: a usual one."
)
@click.option(
    "--cosmic-rays/--no-cosmic-rays", default=True, show_default=True,
    help="CCDs only: whether to add cosmic rays.",
)  # fmt: skip
@click.option(
    "--detector", "effects", multiple=True, metavar="NAME=SIZE",
    help="What a real detector adds, such as flat=0.005; can be repeated. The names are those of "
    "source.detector: flat, flat_order, blob, amplifiers, chips, stripes, gradient, helium, "
    "persistence, trail.",
)  # fmt: skip
@click.option(
    "--motion", default=0.0, show_default=True,
    help="Proper motion of the stars, rms in either axis, in mas/yr.",
)  # fmt: skip
@click.option(
    "--epoch", "epochs", multiple=True, metavar="TILE=YEAR",
    help="When a tile is observed, as Julian year such as 54=2022.5; can be repeated.",
)  # fmt: skip
@click.option(
    "--gaia", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Also write what Gaia would have of the stars, with its errors: .ecsv, .fits or .vot.",
)  # fmt: skip
@ended_cleanly
def simulate(
    folder: Path,
    instrument: InstrumentName,
    seed: int,
    size: Literal["full", "small"],
    tiles: tuple[str, ...],
    filter_: FilterName | None,
    dithers: int | None,
    scene: SceneName | None,
    chip_step: float,
    sky: float | None,
    cosmic_rays: bool,
    effects: tuple[str, ...],
    motion: float,
    epochs: tuple[str, ...],
    gaia: Path | None,
) -> None:
    """Write simulated exposures into FOLDER.

    Also writes their drizzled images, and the true skies and pointings (`_truth.json`).
    """
    from skymosaic.archive.simulated.effects import read_effects
    from skymosaic.archive.simulated.exposures import Simulation
    from skymosaic.archive.simulated.motions import read_epochs
    from skymosaic.pipeline import sources

    simulation = Simulation(
        seed=seed,
        size=size,
        tiles=tiles,
        filter=filter_,
        dithers=dithers,
        scene=scene,
        instrument=instrument,
        chip_step=chip_step,
        sky=sky,
        cosmic_rays=cosmic_rays,
        detector=read_effects(effects),
        motion=motion,
        epochs=read_epochs(epochs),
    )
    if gaia is not None:
        sources.write_gaia(gaia, simulation, say)
    sources.simulate(folder, simulation, say)


@click.command()
@ended_cleanly
def doctor() -> None:
    """Show the versions, and test this installation.

    The test: does `match` find a known difference between two simulated skies?
    """
    from skymosaic.pipeline.installation import SELF_TEST_OFFSET, require_match, self_test
    from skymosaic.versions import versions

    for name, version in versions().items():
        say(f"{name:<20} {version}")
    require_match()
    found = self_test()
    say(
        f"self-test: match found a sky difference of {found:.4f} e-/s "
        f"where it is {SELF_TEST_OFFSET} e-/s: good"
    )
