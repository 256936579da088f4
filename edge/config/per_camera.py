"""A camera's own values of settings that the sections declare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args

from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from edge.config.fields import Settings, schema_of
from edge.config.traits import Traits, traits_of

if TYPE_CHECKING:
    from edge.config.config import Config

S = TypeVar("S", bound=Settings)


def with_own_values(**sections: type[Settings]) -> Callable[[type[S]], type[S]]:
    """Gives a camera's section a field for each per_camera setting of these sections: of the same type, and null.

    Raises TypeError where two of them have one name.
    """

    def derived(camera: type[S]) -> type[S]:
        fields: dict[str, Any] = {}
        for section, settings in sections.items():
            for name, field in settings.model_fields.items():
                if not traits_of(field).per_camera:
                    continue
                if name in fields or name in camera.model_fields:
                    raise TypeError(f"{section}.{name} cannot be per_camera: a camera has another {name}")
                fields[name] = _own(section, settings, name, field)
        model: type[S] = create_model(
            camera.__name__, __base__=camera, __module__=camera.__module__, __doc__=camera.__doc__, **fields
        )
        return model

    return derived


def for_camera(config: Config, camera: str) -> Config:
    """The configuration whose sections have this camera's own values laid over them. KeyError: an unknown camera."""
    own = config.cameras[camera]
    values: dict[str, dict[str, Any]] = {}
    for name, field in type(own).model_fields.items():
        section, value = traits_of(field).over, getattr(own, name)
        if section is not None and value is not None:
            values.setdefault(section, {})[name] = value
    changed = {section: getattr(config, section).model_copy(update=own) for section, own in values.items()}
    return config.model_copy(update=changed)


def _own(section: str, settings: type[Settings], name: str, field: FieldInfo) -> tuple[Any, Any]:
    constraints = tuple(each for each in field.metadata if not isinstance(each, Traits))
    constrained = (field.annotation, *constraints)
    annotation: Any = Annotated[constrained] if constraints else field.annotation
    if type(None) not in get_args(field.annotation):
        annotation = annotation | None
    traits = replace(traits_of(field), per_camera=False, over=section)

    def describe(schema: dict[str, Any]) -> None:
        described: str = schema_of(settings)["properties"][name].get("description", "")
        about = described.partition("; null: ")[0].removesuffix(".")
        schema["description"] = f"For this camera alone, {about[:1].lower()}{about[1:]}; null: {section}.{name}."

    return Annotated[annotation, traits], Field(default=None, json_schema_extra=describe)
