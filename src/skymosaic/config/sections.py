"""What all sections of a campaign file are."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Section(BaseModel):
    """A part of the campaign file: frozen, and without keys of its own invention."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class OptionalSection(Section):
    """A section whose keys all have defaults, so that its heading may stand alone."""

    @model_validator(mode="before")
    @classmethod
    def _heading_alone(cls, data: Any) -> Any:
        return {} if data is None else data
