"""The card that maskd-train writes next to a model: what it is for, and what it was trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.errors import MaskdError
from edge.vision.model import RecommendedThresholds, Task, TrainingData


class ModelCard(BaseModel):
    """`model.json` next to `model.keras`. A foreign model has none: flags take its place."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    task: Task
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    labels: tuple[str, ...] = ()
    """A classifier's statuses, in the order of its output."""
    crop_margin: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Share of a face's longer side that the classifier sees around it, on each side."""
    strides: tuple[int, ...] = ()
    """Pixels of input per cell, one for each of a detector's score maps."""
    resizable: bool = True
    """False for a detector that is better at its own input shape than at the one that shows a picture largest."""
    thresholds: RecommendedThresholds = RecommendedThresholds()
    training_data: tuple[TrainingData, ...] = ()


def card_path(model: Path) -> Path:
    return model.with_suffix(".json")


def read_card(model: Path) -> ModelCard | None:
    """The card of a model file, or None where there is none. Raises MaskdError where it is not a card.

    A manifest that an earlier conversion left there is none: it does not tell how the float model takes its pixels.
    """
    path = card_path(model)
    if not path.is_file():
        return None
    try:
        content = path.read_bytes()
        card = ModelCard.model_validate_json(content)
        return None if "sha256" in json.loads(content) else card
    except OSError as error:
        raise MaskdError(f"cannot read {path}: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise MaskdError(
            f"{path} does not describe a model ({place}: {first['msg']}); train it again, or move that file away."
        ) from error
