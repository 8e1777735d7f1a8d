"""`?fields=`: the caller names the fields, and only their columns are read and sent."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import msgspec
from litestar.exceptions import ValidationException

# Of the whole parameter: every field there is, twice.
MOST_CHARACTERS = 512


class Field(msgspec.Struct, frozen=True):
    """A field on the wire: the domain's column behind it, its type, and how it is converted."""

    column: str
    type: Any
    convert: Callable[[Any], Any] | None = None


class FieldSet:
    """Some fields of a resource in one canonical order, and the struct that carries them."""

    def __init__(self, resource: Mapping[str, Field], names: Iterable[str]) -> None:
        self.names = tuple(names)
        fields = [resource[name] for name in self.names]
        self.columns = tuple(field.column for field in fields)
        self._converters = [(n, f.convert) for n, f in enumerate(fields) if f.convert]
        # A struct spread from a row encodes several times faster than a dict made of it.
        self._struct = msgspec.defstruct(
            "Row", [(name, field.type) for name, field in zip(self.names, fields, strict=True)]
        )

    def represent(self, rows: Iterable[Iterable[Any]]) -> list[msgspec.Struct]:
        """Each row, its values in the order of `columns`, as a struct."""
        if not self._converters:
            return [self._struct(*row) for row in rows]
        represented = []
        for row in rows:
            values = list(row)
            for position, convert in self._converters:
                values[position] = convert(values[position])
            represented.append(self._struct(*values))
        return represented


class Resource:
    """The fields that a list may be asked for, and those it shows when nobody asks."""

    def __init__(self, fields: Mapping[str, Field], default: Iterable[str]) -> None:
        self._fields = fields
        self._default = FieldSet(fields, default)
        self._known = lru_cache(maxsize=256)(lambda names: FieldSet(fields, names))

    def select(self, text: str | None) -> FieldSet:
        """The field set that `fields=a,b` names, whatever its order.

        Raises ValidationException that names an unknown field and the closest known one.
        """
        if text is None:
            return self._default
        asked = {name for name in (part.strip() for part in text.split(",")) if name}
        for name in sorted(asked - self._fields.keys()):
            close = get_close_matches(name, self._fields, n=1)
            hint = f"; do you mean {close[0]}?" if close else ""
            raise _refusal(f"there is no field {name!r}{hint} Known: {', '.join(self._fields)}")
        if not asked:
            raise _refusal("name at least one field")
        return self._known(tuple(name for name in self._fields if name in asked))


def _refusal(message: str) -> ValidationException:
    return ValidationException(extra=[{"key": "fields", "message": message, "source": "query"}])
