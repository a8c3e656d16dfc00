"""The campaign file: one YAML file says what to mosaic, how, and where."""

from skymosaic.config.compute import Compute
from skymosaic.config.loading import (
    json_schema,
    load_campaign,
    load_campaign_text,
    resolved_yaml,
    shown_yaml,
)
from skymosaic.config.models import Align, Campaign, Drizzle, Gates, Identity, StoreSection
from skymosaic.config.sky import Sky
from skymosaic.config.sources import (
    AnySource,
    DirectorySource,
    MastSource,
    S3Source,
    SimulatedSource,
    Source,
)

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
