"""What the docstrings below a model's fields say, in its JSON Schema.

Pydantic's own `use_attribute_docstrings` reads and tokenizes the source of each class when it is made, which took a
tenth of maskd's start. Here that is done when a schema is asked for.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel


def describe_fields(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """For `json_schema_extra` of a model's configuration: adds a description to each field that has a docstring."""
    properties = schema.get("properties", {})
    for base in model.__mro__:
        for name, text in _field_docstrings(base.__module__).get(base.__name__, {}).items():
            field = model.model_fields.get(name)
            if field is not None:
                properties[field.alias or name].setdefault("description", text)


@cache
def _field_docstrings(module: str) -> Mapping[str, Mapping[str, str]]:
    """Of each class in a module, those of its fields; empty where there is no source."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (OSError, TypeError):
        return {}
    return {each.name: dict(_docstrings_in(each)) for each in ast.walk(tree) if isinstance(each, ast.ClassDef)}


def _docstrings_in(declared: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(declared.body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            yield field.target.id, inspect.cleandoc(below.value.value)
