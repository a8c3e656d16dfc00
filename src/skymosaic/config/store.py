"""The section `store`: where the products live."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from skymosaic.config.fields import Endpoint, Region, Seconds, StoreUri, Text
from skymosaic.config.sections import OptionalSection


class StoreSection(OptionalSection):
    """Where the products live."""

    uri: StoreUri = Field(
        default="store",
        description=(
            "Where the products go: a folder (a path or file:PATH, relative to the folder of the "
            "campaign file) or s3://BUCKET/PREFIX. Not given: ./store in the current folder."
        ),
    )
    profile: Text | None = Field(
        default=None, description="S3: profile of ~/.aws; null: what AWS's own settings say."
    )
    region: Region | None = Field(
        default=None, description="S3: region; null: what AWS's own settings say."
    )
    endpoint_url: Endpoint | None = Field(
        default=None,
        description="S3: address of a server; null: what AWS's own settings say, else AWS's.",
    )
    unsigned: bool = Field(
        default=False, description="S3: read a public bucket without credentials."
    )
    encryption: Literal["AES256", "aws:kms"] | None = Field(
        default=None, description="S3: server-side encryption; null: the default of the bucket."
    )
    kms_key: Text | None = Field(
        default=None, description="S3: key of aws:kms (its id or ARN); null: the bucket's."
    )
    patience: Seconds = Field(
        default=120, description="S3: how long to wait for a server that does not answer (s)."
    )

    @model_validator(mode="after")
    def _key_goes_with_kms(self) -> Self:
        if self.kms_key is not None and self.encryption != "aws:kms":
            raise ValueError("kms_key needs encryption: aws:kms")
        return self
