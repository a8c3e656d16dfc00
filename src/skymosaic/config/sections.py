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


def every_key(section: BaseModel) -> dict[str, Any]:
    """Return a section as plain values with every key.

    `model_dump` leaves out keys that older versions did not have while they are at their default
    (`exclude_if`), because manifests are compared by what it gives. People see these keys, too.
    """
    given = section.model_dump(mode="json")
    values = {name: getattr(section, name) for name in type(section).model_fields}
    return {
        name: every_key(value)
        if isinstance(value, BaseModel)
        else given.get(name, value)  # what is left out is a plain value at its default
        for name, value in values.items()
    }
