"""The grid that `drizzle.grid` names: of an image on disk or in a bucket, or of a campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from skymosaic.config import Campaign
from skymosaic.config.fields import uri_scheme
from skymosaic.config.groups import MOST_PARTS
from skymosaic.drizzle.order import Detector
from skymosaic.drizzle.reference_image import Reference, read_reference, split_extension
from skymosaic.drizzle.request import Request
from skymosaic.drizzle.sky_cell import scale_for, sky_cell
from skymosaic.errors import CampaignError, ForbiddenError
from skymosaic.pipeline.places import parse_place
from skymosaic.pipeline.results import PLAN
from skymosaic.steps.manifests import finished
from skymosaic.steps.place import Place
from skymosaic.store import open_store

SEE_ONE_DISK = ("local", "slurm", "mpi")
"""Back ends whose workers see the same files as who starts them."""


def reference_of(campaign: Campaign, detectors: Sequence[Detector] = ()) -> Reference | None:
    """Return the grid that a campaign file names or gives in full; None where it does neither.

    Parameters
    ----------
    campaign : Campaign
        What its file says.
    detectors : sequence of (str, str)
        INSTRUME and DETECTOR of the exposures, as far as they are known: the pixels of a sky cell
        depend on them, where the file does not tell. Without them its grid is not known.

    Raises
    ------
    CampaignError, InputError
        There is neither such a file nor such a campaign, or the engines cannot make its grid.
    StoreError
        A bucket may not be read, or does not answer.
    """
    request = Request.of(campaign).grid
    if request.grid is not None:
        return Reference(request.grid, "drizzle.grid")
    if request.skycell:
        scale = request.cell_scale or (scale_for(detectors) if detectors else None)
        if scale is None:
            return None
        cell = sky_cell(request.skycell, scale)
        return Reference(cell.whole, f"{cell.name} ({scale})", cell=cell)
    if not request.like:
        return None
    s3 = campaign.store.model_dump(exclude={"uri"})
    found = _of_image(request.like, s3)
    if found is None and not request.only_image:
        found = _of_campaign(campaign, request.like, s3)
    if found is not None:
        return found
    if request.only_image:
        raise CampaignError(
            f"drizzle.parameters.final_refimage: there is no file {request.like}; correct the path"
        )
    raise CampaignError(
        f"drizzle.grid.like: {request.like} is no file, and no campaign that has planned its "
        "mosaic: correct the path, or run that campaign first; "
        "of a program name the folder of a group, STORE/PROGRAM/GROUP"
    )


def _of_image(text: str, s3: Mapping[str, Any]) -> Reference | None:
    """Return the grid of an image; None where there is no such file."""
    file, extension = split_extension(text)
    if uri_scheme(text) != "s3":
        path = Path(text) if Path(text).is_file() else Path(file)
        if not path.is_file():
            return None
        return read_reference(path, str(path), "" if str(path) == text else extension)
    # Only who uses S3 pays for importing boto3.
    from skymosaic.store.objects import open_object
    from skymosaic.store.s3_settings import S3Settings

    stream = open_object(file, S3Settings(**s3))
    if stream is None:
        return None
    with stream:
        return read_reference(stream, file, extension)


def _of_campaign(campaign: Campaign, text: str, s3: Mapping[str, Any]) -> Reference | None:
    """Return the grid of a campaign, or of a program's group; None where none was planned."""
    own = _folder(campaign.store.uri)
    for parts in range(1, MOST_PARTS + 1):
        try:
            root, name = parse_place(text, parts)
        except CampaignError:  # too short for a group, or no place at all
            continue
        if root == own and name.split("/")[0] == campaign.name:
            raise CampaignError(
                f"drizzle.grid.like: {text} is this campaign, or a group of it, and its grid would "
                "depend on itself: for one grid of all groups set groups.grid: shared; to keep "
                "the grid that there is, give the numbers in its plan/grid.json: crval, crpix, cd, "
                "shape"
            )
        if uri_scheme(root) != "s3" and not Path(root).is_dir():
            continue
        with suppress(ForbiddenError):  # of what lies above a store others may have the keys
            done = finished(Place(open_store(root, s3), name, None), PLAN.step())
            if done is not None:
                return Reference(done.result.grid, text)
    return None


def _folder(uri: str) -> str:
    """Return the URI of a store as `parse_place` has it."""
    return parse_place(f"{uri.rstrip('/')}/x")[0]
