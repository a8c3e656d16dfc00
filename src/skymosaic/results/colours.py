"""The colour pictures that a store holds of a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from skymosaic.config import Campaign, load_campaign_text
from skymosaic.errors import CampaignError, MissingError
from skymosaic.pipeline.colour import find_mosaic
from skymosaic.pipeline.results import COLOUR, ColourResult
from skymosaic.results.program_states import read_states
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import finished, read_manifest
from skymosaic.steps.place import Place
from skymosaic.store.base import is_ours


def read_colours(place: Place) -> list[Finished[ColourResult]]:
    """Return the pictures of a program, those of the mosaics that there are now.

    Raises
    ------
    DamagedError
        A manifest is not what was written.
    StoreError
        The store cannot be read.
    """
    key = place.key("campaign.yaml")
    text = place.store.read_text(key)
    prefix = place.key("manifests", COLOUR.step("").name)
    names = [
        name.removesuffix(".json")
        for name in (one.removeprefix(prefix) for one in place.store.list(prefix.rstrip("/")))
        if name.endswith(".json") and is_ours(name)
    ]
    if text is None or not names:
        return []
    campaign = load_campaign_text(text, place.store.address(key), {"compute": {}})
    if campaign.colour is None:  # one of an earlier run
        return []
    folders = {state.name: state.folder for state in read_states(place)}
    found = [finished(place, COLOUR.step(name)) for name in sorted(names)]
    return [one for one in found if one is not None and _is_of_now(place, campaign, folders, one)]


def colours_of(place: Place) -> dict[str, Finished[ColourResult]]:
    """Return the pictures of a program by field; of a group, those that show it.

    Raises
    ------
    DamagedError, StoreError
        As `read_colours`.
    """
    name, _, folder = place.campaign.partition("/")
    program = replace(place, campaign=name)
    try:
        states = read_states(program)
    except MissingError:  # one mosaic, or no run has ended
        return {}
    shown = {state.name for state in states if not folder or state.folder == folder}
    return {
        one.result.facts.field: one
        for one in read_colours(program)
        if any(channel.group in shown for channel in one.result.facts.channels)
    }


def _is_of_now(
    place: Place, campaign: Campaign, folders: Mapping[str, str], done: Finished[ColourResult]
) -> bool:
    """Tell whether a picture shows the mosaics that there are."""
    manifest = read_manifest(place, done.step)
    if manifest is None:
        return False
    for channel in done.result.facts.channels:
        if channel.group not in folders:
            return False
        there = replace(place, campaign=place.key(folders[channel.group]))
        try:
            own = campaign.for_group(channel.group)
            mosaic = find_mosaic(there, own, channel.method)
        except (CampaignError, MissingError):
            return False
        product = mosaic.products[mosaic.result.science]
        if manifest["inputs"].get(f"{channel.colour}/science") != product.sha256:
            return False
    return True
