"""The numbers rules stand on: dated, by class of customer, each with its source. Pure but for reading its own file."""

import functools
import itertools
import pathlib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, TypeAdapter, model_validator

_FILE = pathlib.Path(__file__).with_name("limits.yaml")


class Limit(BaseModel):
    """One number. `verified` is true only when it was read in the source named."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Literal["ALL", "RESIDENTIAL", "BUSINESS"]
    value: int
    valid_from: date
    valid_to: date | None = None
    source: str
    verified: bool
    note: str = ""

    @model_validator(mode="after")
    def _whole(self) -> "Limit":
        if not self.source.strip():
            raise ValueError(f"{self.name}: no source")
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError(f"{self.name}: ends before it starts")
        return self


@functools.cache
def every() -> tuple[Limit, ...]:
    """This will give all limits; ValueError when two of a name and class are valid on one day."""
    found = tuple(TypeAdapter(list[Limit]).validate_python(yaml.safe_load(_FILE.read_text())))
    check(found)
    return found


def check(found: Sequence[Limit]) -> None:
    """This will raise ValueError when two limits of a name and class are valid on one day."""
    for (name, kind), same in itertools.groupby(
        sorted(found, key=lambda x: (x.name, x.kind, x.valid_from)), key=lambda x: (x.name, x.kind)
    ):
        for a, b in itertools.pairwise(same):
            if a.valid_to is None or a.valid_to > b.valid_from:
                raise ValueError(f"{name} for {kind}: two are valid on {b.valid_from}")


def of(kind: str, on: date) -> Mapping[str, int]:
    """This will give the limits of a class on a day; what the class has of its own goes before what is for all."""
    valid = [x for x in every() if x.valid_from <= on and (x.valid_to is None or on < x.valid_to)]
    return {x.name: x.value for whose in ("ALL", kind) for x in valid if x.kind == whose}


def spread(kinds: Sequence[str], on: date) -> dict[str, NDArray[np.int64]]:
    """This will give each limit as an array, one value per row, -1 where a class has none."""
    own = {kind: of(kind, on) for kind in set(kinds)}
    names = sorted({name for limits in own.values() for name in limits})
    return {name: np.array([own[kind].get(name, -1) for kind in kinds], dtype=np.int64) for name in names}
