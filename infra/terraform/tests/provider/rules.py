"""Which words an argument takes, by botocore's models of AWS's own APIs.

A schema says `string` where the API knows five words, and the real provider refuses a sixth. An
argument counts as such if every member of that name in the service's model is an enumeration.
"""

from functools import cache
from typing import Any, Final

import botocore.session
from botocore import xform_name
from botocore.model import ListShape, StringShape

Schema = dict[str, Any]

_SERVICES: Final = {
    "cloudfront": "cloudfront",
    "db": "rds",
    "eks": "eks",
    "elasticache": "elasticache",
    "lb": "elbv2",
    "nat": "ec2",
    "s3": "s3",
    "vpc": "ec2",
    "wafv2": "wafv2",
    "budgets": "budgets",
}
_TEXTS: Final = ("string", ["set", "string"], ["list", "string"])


@cache
def _words(service: str) -> dict[str, frozenset[str]]:
    model = botocore.session.get_session().get_service_model(service)
    words: dict[str, set[str]] = {}
    free: set[str] = set()
    for name in model.shape_names:
        for member, found in getattr(model.shape_for(name), "members", {}).items():
            shape = found.member if isinstance(found, ListShape) else found
            key = xform_name(member)
            if isinstance(shape, StringShape) and shape.enum:
                words.setdefault(key, set()).update(shape.enum)
            elif shape.type_name != "structure":
                free.add(key)
    return {key: frozenset(each) for key, each in words.items() if key not in free}


def rules(resources: Schema) -> dict[str, dict[str, list[str]]]:
    """{type: {path of the argument: its words}}"""
    made = {}
    for name, block in resources.items():
        service = _SERVICES.get(name.split("_")[1])
        if service and (found := dict(_paths(block, _words(service), ""))):
            made[name] = found
    return made


def _paths(
    block: Schema, words: dict[str, frozenset[str]], prefix: str
) -> list[tuple[str, list[str]]]:
    found = [
        (prefix + name, sorted(words[name]))
        for name, attribute in block["attributes"].items()
        if name in words
        and attribute["type"] in _TEXTS
        and ("optional" in attribute or "required" in attribute)
    ]
    for name, nested in block["block_types"].items():
        found += _paths(nested["block"], words, f"{prefix}{name}.")
    return found
