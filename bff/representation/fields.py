"""`?fields=`: the caller names the fields, and only their columns are read and sent."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cached_property, lru_cache
from operator import attrgetter
from types import GenericAlias
from typing import Annotated, Any, Final

import msgspec
from litestar.exceptions import ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from msgspec import UNSET, UnsetType

from domain.model.selection import Chosen

MOST_CHARACTERS: Final = 512
MOST_LEAVES: Final = 64
MOST_DEPTH: Final = 4
# Plans that are remembered for each resource; anybody may make up as many as they like.
_PLANS: Final = 256

Fields = Annotated[
    str | None,
    QueryParameter(
        max_length=MOST_CHARACTERS,
        description="fields to send, with commas between, in any order; a dot leads to those of"
        " what belongs to it, like id,status,totalAmount,items.quantity,items.product.name",
    ),
]


class Field(msgspec.Struct, frozen=True):
    """A field on the wire: the domain's name of it, its type, and how it is converted."""

    column: str
    type: Any
    convert: Callable[[Any], Any] | None = None


class Related(msgspec.Struct, frozen=True):
    """What belongs to a resource, one thing or several, and may be chosen from like itself."""

    column: str
    resource: "Resource"
    is_many: bool = False


Tree = dict[str, "Tree | None"]


class FieldSet:
    """Some fields of a resource in one canonical order, and the struct that carries them."""

    def __init__(self, resource: "Resource", tree: Tree) -> None:
        chosen = [(name, resource.members[name], below) for name, below in tree.items()]
        self._parts: list[FieldSet | None] = [
            FieldSet(member.resource, below or {}) if isinstance(member, Related) else None
            for _, member, below in chosen
        ]
        self.key: str = ",".join(self._paths(tree))
        """The same for the same fields, however they were asked for."""
        self.selection: tuple[Chosen, ...] = tuple(
            Chosen(name, member.column, () if part is None else part.selection)
            for (name, member, _), part in zip(chosen, self._parts, strict=True)
        )
        self._converters = [
            (place, member.convert)
            for place, (_, member, _) in enumerate(chosen)
            if isinstance(member, Field) and member.convert
        ]
        self._nested = [(place, part) for place, part in enumerate(self._parts) if part is not None]
        names = [member.column for _, member, _ in chosen]
        self._values: Callable[[Any], Iterable[Any]] = (
            attrgetter(*names) if len(names) > 1 else lambda thing: (getattr(thing, names[0]),)
        )
        # A struct spread from a row encodes several times faster than a dict made of it.
        self._struct = msgspec.defstruct("Row", [(name, Any) for name, _, _ in chosen], gc=False)

    def rows(self, rows: Iterable[Iterable[Any]]) -> list[msgspec.Struct]:
        """Each row, its values in the order of `selection`, as a struct. What belongs to it comes
        as the text of its JSON, and goes out as it came."""
        return [self._struct(*self._converted(row)) for row in rows]

    def shown(self, things: Iterable[Any]) -> list[msgspec.Struct]:
        """Each thing, which has the columns as attributes, as a struct."""
        return [self.of(thing) for thing in things]

    def of(self, thing: Any) -> msgspec.Struct:
        """One thing, likewise."""
        values = list(self._values(thing))
        for place, convert in self._converters:
            values[place] = convert(values[place])
        for place, part in self._nested:
            value = values[place]
            if isinstance(value, list):
                values[place] = part.shown(value)
            elif value is not None:
                values[place] = part.of(value)
        return self._struct(*values)

    def _converted(self, row: Iterable[Any]) -> Iterable[Any]:
        if not self._converters and not self._nested:
            return row
        values = list(row)
        for place, convert in self._converters:
            values[place] = convert(values[place])
        for place, _ in self._nested:
            if values[place] is not None:
                values[place] = msgspec.Raw(values[place])
        return values

    @staticmethod
    def _paths(tree: Tree) -> Iterable[str]:
        for name, below in tree.items():
            if below is None:
                yield name
            else:
                yield from (f"{name}.{path}" for path in FieldSet._paths(below))


class Resource:
    """The fields that may be asked for, and those that are shown when nobody asks: what is not in
    it, nobody is told, and no SQL is made of."""

    def __init__(
        self, name: str, members: Mapping[str, Field | Related], default: Iterable[str]
    ) -> None:
        self.members = members
        self._name = name
        self._default = tuple(default)
        self._known = lru_cache(maxsize=_PLANS)(self._plan)

    def select(self, text: str | None) -> FieldSet:
        """The field set that `fields=a,b.c` names, whatever its order; the name of what belongs to
        the resource stands for what is shown of it by default.

        Raises ValidationException that names an unknown field and the closest known one.
        """
        return self._known(text)

    def select_of_one(self, text: str | None) -> FieldSet:
        """The same of one thing by itself, which comes whole if nothing is named."""
        return self.whole if text is None else self.select(text)

    @cached_property
    def whole(self) -> FieldSet:
        """Every field there is."""
        return FieldSet(self, self._everything())

    @cached_property
    def shape(self) -> Any:
        """A type for the API's description: every field, and none of them certain."""
        fields = [
            (name, _described(member) | UnsetType, UNSET) for name, member in self.members.items()
        ]
        return msgspec.defstruct(self._name, fields)

    def _plan(self, text: str | None) -> FieldSet:
        if text is None:
            return FieldSet(self, self._tree(self._default))
        if len(text) > MOST_CHARACTERS:
            raise _refusal(f"it has more than {MOST_CHARACTERS} characters")
        paths = [path for path in (part.strip() for part in text.split(",")) if path]
        if not paths:
            raise _refusal("name at least one field")
        if len(paths) > MOST_LEAVES:
            raise _refusal(f"these are more than {MOST_LEAVES} fields")
        if max(path.count(".") for path in paths) >= MOST_DEPTH:
            raise _refusal(f"nothing lies deeper than {MOST_DEPTH} names")
        return FieldSet(self, self._tree(paths))

    def _everything(self) -> Tree:
        return {
            name: member.resource._everything() if isinstance(member, Related) else None
            for name, member in self.members.items()
        }

    def _tree(self, paths: Iterable[str], prefix: str = "") -> Tree:
        """The paths as a tree in the order of the resource, so that one question has one form."""
        below: dict[str, list[str]] = {}
        for path in paths:
            name, _, rest = path.partition(".")
            member = self.members.get(name)
            if member is None or (rest and isinstance(member, Field)):
                raise self._unknown(prefix, path if member else name)
            further = below.setdefault(name, [])
            if isinstance(member, Related):
                further += [rest] if rest else member.resource._default
        return {
            name: member.resource._tree(below[name], f"{prefix}{name}.")
            if isinstance(member, Related)
            else None
            for name, member in self.members.items()
            if name in below
        }

    def _unknown(self, prefix: str, name: str) -> ValidationException:
        close = get_close_matches(name, self.members, n=1)
        hint = f"; do you mean {prefix}{close[0]}?" if close else ";"
        known = ", ".join(f"{prefix}{each}" for each in self.members)
        return _refusal(f"there is no field {prefix + name!r}{hint} Known: {known}")


def answered(shape: Any, words: str) -> dict[int, ResponseSpec]:
    """What the description of a read says of it: its shape, and that it may be known already."""
    return {
        200: ResponseSpec(shape, generate_examples=False, description=words),
        304: ResponseSpec(None, description="The caller has it (`If-None-Match`)"),
    }


def _described(member: Field | Related) -> Any:
    if isinstance(member, Field):
        return member.type
    shape = member.resource.shape
    return GenericAlias(list, shape) if member.is_many else shape | None


def _refusal(message: str) -> ValidationException:
    return ValidationException(extra=[{"key": "fields", "message": message, "source": "query"}])
