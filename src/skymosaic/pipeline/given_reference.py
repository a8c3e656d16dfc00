"""What `align.reference` names: a file on disk or in a bucket, or a campaign; whether it is there.

Nothing is made of it here: `reference` does that, in a step of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from skymosaic.align.reference_columns import Read, read_columns
from skymosaic.align.reference_files import format_of, read_table
from skymosaic.archive.gaia.layout import Catalogue, open_catalogue
from skymosaic.config import Campaign
from skymosaic.config.fields import uri_scheme
from skymosaic.config.groups import MOST_PARTS
from skymosaic.config.reference import (
    CampaignReference,
    CatalogueReference,
    GaiaReference,
    ImageReference,
)
from skymosaic.errors import CampaignError
from skymosaic.hst.catalogue_names import header_name
from skymosaic.pipeline.places import parse_place
from skymosaic.pipeline.results import ALIGN, AlignResult
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import finished
from skymosaic.steps.place import Place
from skymosaic.store import open_store

_BLOCK = 1 << 20


def require_reference(campaign: Campaign) -> None:
    """Refuse a reference that is not there, or that cannot be read, before anything is run.

    Of a catalogue all of it is read, of an image the header. Nothing is asked of a Gaia server.

    Raises
    ------
    CampaignError
        There is no such file, folder or campaign.
    InputError
        It is no such catalogue or image.
    StoreError
        A bucket may not be read, or does not answer.
    """
    reference = campaign.align.reference
    if isinstance(reference, GaiaReference):
        if reference.path is not None:
            files_of(campaign, reference)
    elif isinstance(reference, CatalogueReference):
        format_of(reference.path)
        if uri_scheme(reference.path) == "s3":
            identity_of(campaign, reference.path)
        else:
            read_catalogue(campaign, reference)
    elif isinstance(reference, ImageReference):
        from skymosaic.align.image_stars import read_image

        with open_file(campaign, reference.path) as file:
            read_image(file, reference.path, pixels=False)
    elif isinstance(reference, CampaignReference):
        earlier_campaign(campaign, reference)


def s3_of(campaign: Campaign) -> dict[str, Any]:
    """Return how a campaign reaches S3."""
    return campaign.store.model_dump(exclude={"uri"})


def open_file(campaign: Campaign, path: str) -> BinaryIO:
    """Open what a reference names.

    Raises
    ------
    CampaignError
        There is no such file.
    """
    if uri_scheme(path) != "s3":
        if not Path(path).is_file():
            raise _absent(path)
        return Path(path).open("rb")
    # Only who uses S3 pays for importing boto3.
    from skymosaic.store.objects import open_object
    from skymosaic.store.s3_settings import S3Settings

    stream = open_object(path, S3Settings(**s3_of(campaign)))
    if stream is None:
        raise _absent(path)
    return stream


def _absent(path: str) -> CampaignError:
    return CampaignError(f"align.reference.path: there is no file {path}; correct the path")


def identity_of(campaign: Campaign, path: str) -> str:
    """Return what tells the content of a file from another: its SHA-256, of an object its tag.

    Raises
    ------
    CampaignError
        There is no such file.
    """
    if uri_scheme(path) == "s3":
        from skymosaic.store.objects import tag_of
        from skymosaic.store.s3_settings import S3Settings

        tag = tag_of(path, S3Settings(**s3_of(campaign)))
        if tag is None:
            raise _absent(path)
        return tag
    digest = hashlib.sha256()
    with open_file(campaign, path) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def name_of(given: str | None, path: str) -> str:
    """Return what headers call a file: the given name, else that of the file, without its end."""
    if given is not None:
        return given
    stem = path.rstrip("/").rpartition("/")[2].split(".")[0]
    return header_name(stem) or "catalogue"


def name_of_campaign(reference: CampaignReference) -> str:
    """Return what headers call the sources of an earlier campaign."""
    return reference.campaign.rstrip("/").rpartition("/")[2][:40]


def read_catalogue(campaign: Campaign, reference: CatalogueReference) -> Read:
    """Return the stars of a catalogue of the user's.

    Raises
    ------
    CampaignError, InputError
        There is no such file; or as `reference_columns.read_columns`.
    """
    with open_file(campaign, reference.path) as file:
        table = read_table(file, reference.path)
    given = reference.columns.model_dump(exclude_none=True)
    name = name_of(reference.name, reference.path)
    return read_columns(table, name, reference.path, given, reference.epoch)


def files_of(campaign: Campaign, reference: GaiaReference) -> Catalogue:
    """Return a copy of the Gaia catalogue in files.

    Raises
    ------
    CampaignError, InputError
        There is no such folder, or it is none in HATS layout.
    """
    assert reference.path is not None  # or a server is asked
    if uri_scheme(reference.path) == "s3":
        from skymosaic.archive.gaia.folders import BucketFolder
        from skymosaic.store.s3_settings import S3Settings

        return open_catalogue(BucketFolder(reference.path, S3Settings(**s3_of(campaign))))
    from skymosaic.archive.gaia.folders import DiskFolder

    if not Path(reference.path).is_dir():
        raise CampaignError(
            f"align.reference.path: there is no folder {reference.path}; correct the path"
        )
    return open_catalogue(DiskFolder(Path(reference.path)))


def earlier_campaign(
    campaign: Campaign, reference: CampaignReference
) -> tuple[Place, Finished[AlignResult]]:
    """Return the place of a finished campaign, or of a program's group, and its alignment.

    Raises
    ------
    CampaignError
        There is none, or it has aligned nothing.
    """
    s3: Mapping[str, Any] = s3_of(campaign)
    text = reference.campaign
    own = parse_place(f"{campaign.store.uri.rstrip('/')}/x")[0]
    for parts in range(1, MOST_PARTS + 1):
        try:
            root, name = parse_place(text, parts)
        except CampaignError:  # too short for a group, or no place at all
            continue
        if root == own and name.split("/")[0] == campaign.name:
            raise CampaignError(
                f"align.reference.campaign: {text} is this campaign, or a group of it, which would "
                "be aligned to itself: to align groups to one of them set groups.align: shared"
            )
        if uri_scheme(root) != "s3" and not Path(root).is_dir():
            continue
        place = Place(open_store(root, s3), name, campaign.compute.scratch)
        done = finished(place, ALIGN.step())
        if done is not None:
            return place, done
    raise CampaignError(
        f"align.reference.campaign: {text} is no campaign that was aligned: correct the path, or "
        "run that campaign first (with align: none its images have no positions of ours); of a "
        "program name the folder of a group, STORE/PROGRAM/GROUP"
    )
