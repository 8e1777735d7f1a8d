"""What of a description of the API would break an app that was made for an older one."""

from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]
METHODS = ("get", "head", "post", "put", "patch", "delete")


def breaking(before: Document, after: Document) -> list[str]:
    """Each change that an old client could stumble over, as a line that names it.

    Gone are breaking: paths, operations, answers, properties of what is answered, words that could
    be sent. So are new demands: a parameter, property or bound that was not there; another type;
    and new words in an answer, which nobody has made up their mind about.
    """
    found = []
    for path, item in before["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            name = f"{method} {path}"
            if method not in after["paths"].get(path, {}):
                found.append(f"{name}: is gone")
                continue
            old, new = item[method], after["paths"][path][method]
            found += _parameters(name, (before, old), (after, new))
            found += _body(name, (before, old), (after, new))
            found += _answers(name, (before, old), (after, new))
    return sorted(set(found))


Side = tuple[Document, Document]


def _parameters(name: str, before: Side, after: Side) -> Iterator[str]:
    old = {(each["in"], each["name"]): each for each in before[1].get("parameters", [])}
    new = {(each["in"], each["name"]): each for each in after[1].get("parameters", [])}
    for key, each in new.items():
        where = f"{name}: {key[0]} {key[1]}"
        if key not in old:
            if each.get("required"):
                yield f"{where}: is required now"
            continue
        if each.get("required") and not old[key].get("required"):
            yield f"{where}: is required now"
        sides = (before[0], old[key]["schema"]), (after[0], each["schema"])
        yield from _schema(where, *sides, is_sent=True)
    for key in old.keys() - new.keys():
        yield f"{name}: {key[0]} {key[1]}: is gone"


def _body(name: str, before: Side, after: Side) -> Iterator[str]:
    old, new = (each.get("requestBody", {}) for each in (before[1], after[1]))
    if new.get("required") and not old.get("required"):
        yield f"{name}: a body is required now"
    for media_type, content in old.get("content", {}).items():
        if media_type not in new.get("content", {}):
            yield f"{name}: takes no {media_type} any more"
            continue
        sides = [content, new["content"][media_type]]
        schemas = [each.get("schema", {}) for each in sides]
        where = f"{name}: body"
        yield from _schema(where, (before[0], schemas[0]), (after[0], schemas[1]), is_sent=True)


def _answers(name: str, before: Side, after: Side) -> Iterator[str]:
    for status, answer in before[1]["responses"].items():
        new = after[1]["responses"].get(status)
        # An error less is nobody's loss.
        if new is None:
            if status < "400":
                yield f"{name}: {status}: is gone"
            continue
        for header in answer.get("headers", {}).keys() - new.get("headers", {}).keys():
            yield f"{name}: {status}: header {header}: is gone"
        for media_type, content in answer.get("content", {}).items():
            where = f"{name}: {status}"
            if media_type not in new.get("content", {}):
                yield f"{where}: is no {media_type} any more"
                continue
            old_schema = before[0], content.get("schema", {})
            new_schema = after[0], new["content"][media_type].get("schema", {})
            yield from _schema(where, old_schema, new_schema, is_sent=False)


# What may be sent may be loosened, and what is answered may be tightened.
_LOOSE_UP = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_LOOSE_DOWN = ("minimum", "exclusiveMinimum", "minLength", "minItems")


def _schema(
    where: str, before: Side, after: Side, *, is_sent: bool, seen: frozenset[str] = frozenset()
) -> Iterator[str]:
    name = before[1].get("$ref", "")
    if name and name in seen:
        return
    old, new = _resolved(*before), _resolved(*after)
    seen = seen | {name}
    if _types(old) != _types(new):
        yield f"{where}: was {_types(old)}, and is {_types(new)}"
        return
    for keyword in ("format", "pattern", "const", "additionalProperties"):
        if is_sent and new.get(keyword, True) != old.get(keyword, True):
            yield f"{where}: has another {keyword}"
    if is_sent:
        yield from _bounds(where, old, new)
    yield from _words(where, old, new, is_sent=is_sent)
    yield from _properties(where, (before[0], old), (after[0], new), is_sent=is_sent, seen=seen)
    if "items" in old and "items" in new:
        sides = (before[0], old["items"]), (after[0], new["items"])
        yield from _schema(f"{where}[]", *sides, is_sent=is_sent, seen=seen)
    for several in ("oneOf", "anyOf"):
        pairs = zip(old.get(several, []), new.get(several, []), strict=False)
        for one, other in pairs:
            sides = (before[0], one), (after[0], other)
            yield from _schema(where, *sides, is_sent=is_sent, seen=seen)


def _bounds(where: str, old: Document, new: Document) -> Iterator[str]:
    for keyword in (*_LOOSE_UP, *_LOOSE_DOWN):
        if keyword not in new:
            continue
        is_up = keyword in _LOOSE_UP
        if keyword not in old or (
            new[keyword] < old[keyword] if is_up else new[keyword] > old[keyword]
        ):
            yield f"{where}: {keyword} is {new[keyword]} now"


def _words(where: str, old: Document, new: Document, *, is_sent: bool) -> Iterator[str]:
    if "enum" not in old or "enum" not in new:
        return
    gone, come = set(old["enum"]) - set(new["enum"]), set(new["enum"]) - set(old["enum"])
    if is_sent:
        yield from (f"{where}: {word!r} is taken no more" for word in gone)
    else:
        yield from (f"{where}: {word!r} may be answered now" for word in come)


def _properties(
    where: str, before: Side, after: Side, *, is_sent: bool, seen: frozenset[str]
) -> Iterator[str]:
    old, new = before[1].get("properties", {}), after[1].get("properties", {})
    for name in old.keys() - new.keys():
        yield f"{where}.{name}: is gone"
    for name in old.keys() & new.keys():
        sides = (before[0], old[name]), (after[0], new[name])
        yield from _schema(f"{where}.{name}", *sides, is_sent=is_sent, seen=seen)
    was, is_now = (set(each[1].get("required", [])) for each in (before, after))
    if is_sent:
        yield from (f"{where}.{name}: is required now" for name in is_now - was)
    else:
        yield from (f"{where}.{name}: may be missing now" for name in (was - is_now) & new.keys())


def _resolved(document: Document, schema: Document) -> Document:
    name = schema.get("$ref")
    if name is None:
        return schema
    found: Document = document["components"]["schemas"][name.rpartition("/")[2]]
    return found


def _types(schema: Document) -> list[str]:
    """What a value may be, whichever way that is said."""
    if "type" in schema:
        types = schema["type"]
        return sorted([types] if isinstance(types, str) else types)
    several = schema.get("oneOf", schema.get("anyOf", []))
    if several:
        return sorted({each.get("type", each.get("$ref", "")) for each in several if each})
    return ["string"] if "enum" in schema else []
