"""The campaign file: one YAML file says what to mosaic, how, and where."""

from skymosaic.config.align import Align, Gates
from skymosaic.config.compute import Compute
from skymosaic.config.drizzle import Drizzle
from skymosaic.config.loading import (
    json_schema,
    load_campaign,
    load_campaign_text,
    resolved_yaml,
    shown_yaml,
)
from skymosaic.config.models import Campaign, Identity
from skymosaic.config.sky import Sky
from skymosaic.config.sources import (
    AnySource,
    DirectorySource,
    MastSource,
    S3Source,
    SimulatedSource,
    Source,
)
from skymosaic.config.store import StoreSection

__all__ = [
    "Align",
    "AnySource",
    "Campaign",
    "Compute",
    "DirectorySource",
    "Drizzle",
    "Gates",
    "Identity",
    "MastSource",
    "S3Source",
    "SimulatedSource",
    "Sky",
    "Source",
    "StoreSection",
    "json_schema",
    "load_campaign",
    "load_campaign_text",
    "resolved_yaml",
    "shown_yaml",
]
