"""What AWS would have said: made-up values for whatever only it knows, the same each time.

A value as Terraform sends it is a dict of its arguments, with the blocks inside as dicts, lists or
maps of such, and `UNKNOWN` for what is not known before it is made.
"""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgpack

Schema = dict[str, Any]
Value = dict[str, Any]

ACCOUNT: Final = "123456789012"
UNKNOWN: Final = msgpack.ExtType(0, b"\x00")
_WRITE_ONLY: Final = "_wo"


def is_unknown(value: object) -> bool:
    """Whether it is known only once it is made."""
    return isinstance(value, msgpack.ExtType)


def is_write_only(name: str) -> bool:
    """Whether an argument is sent to AWS and kept nowhere."""
    return name.endswith(_WRITE_ONLY)


def _inside(value: Any, nesting: str, change: Callable[[Value], Value]) -> Any:
    if value is None or is_unknown(value):
        return value
    if nesting == "single":
        return change(value)
    if nesting == "map":
        return {key: change(each) for key, each in value.items()}
    return [change(each) for each in value]


def planned(value: Value, block: Schema, *, is_new: bool) -> Value:
    """The value as a plan has it: what AWS will say is unknown, what is write-only is dropped."""
    result = dict(value)
    for name, attribute in block["attributes"].items():
        if is_write_only(name):
            result[name] = None
        elif is_new and result.get(name) is None and attribute.get("computed"):
            result[name] = UNKNOWN
    for name, nested in block["block_types"].items():
        result[name] = _inside(
            result.get(name),
            nested["nesting_mode"],
            partial(planned, block=nested["block"], is_new=is_new),
        )
    return result


class Cloud:
    """Makes up what is unknown, for one account and region."""

    def __init__(self) -> None:
        self.region = "us-east-1"
        self.tags: dict[str, str] = {}

    def defaulted(self, value: Value, block: Schema) -> Value:
        """What the provider itself knows at a plan: the region, and the tags of everything."""
        result = dict(value)
        if "region" in block["attributes"] and result.get("region") is None:
            result["region"] = self.region
        if "tags_all" in block["attributes"] and not is_unknown(result.get("tags")):
            result["tags_all"] = self.tags | (result.get("tags") or {})
        return result

    def made(self, kind: str, value: Value, block: Schema, *, all_of_it: bool = False) -> Value:
        """The value with nothing unknown in it; `all_of_it` makes up what is null as well."""
        seed = json.dumps(value, sort_keys=True, default=str)
        region = value.get("region")
        known = special(kind, value, self.region if not isinstance(region, str) else region)
        return self._filled(kind, value, block=block, seed=seed, known=known, all_of_it=all_of_it)

    def _filled(
        self, kind: str, value: Value, *, block: Schema, seed: str, known: Value, all_of_it: bool
    ) -> Value:
        result = dict(value)
        region = value["region"] if isinstance(value.get("region"), str) else self.region
        for name, attribute in block["attributes"].items():
            given = result.get(name)
            is_ours = attribute.get("computed") or name == "id"
            if is_unknown(given) or (all_of_it and given is None and is_ours):
                result[name] = known.get(name) or invented(
                    kind, name, attribute["type"], seed, region
                )
        for name, nested in block["block_types"].items():
            if is_unknown(result.get(name)):
                result[name] = None if nested["nesting_mode"] == "single" else []
            result[name] = _inside(
                result.get(name),
                nested["nesting_mode"],
                partial(
                    self._filled,
                    kind,
                    block=nested["block"],
                    seed=seed,
                    known={},
                    all_of_it=all_of_it,
                ),
            )
        return result


def invented(kind: str, name: str, of: Any, seed: str, region: str) -> Any:
    """A value of this type, for an attribute of this name."""
    digest = hashlib.sha256(f"{kind}|{seed}|{name}".encode()).hexdigest()[:12]
    if of == "string":
        if name == "arn" or name.endswith("_arn"):
            service = {"lb": "elasticloadbalancing", "db": "rds"}.get(
                kind.split("_")[1], kind.split("_")[1]
            )
            return f"arn:aws:{service}:{region}:{ACCOUNT}:{kind.removeprefix('aws_')}/{digest}"
        if name == "issuer":
            return f"https://oidc.eks.{region}.amazonaws.com/id/{digest.upper()}"
        if name == "region":
            return region
        if name == "account_id":
            return ACCOUNT
        return f"{name.replace('_', '-')}-{digest}"
    if of in ("number", "bool"):
        return 0 if of == "number" else False
    if of == "dynamic":
        return None
    if of[0] == "object":
        return {field: invented(kind, field, each, seed, region) for field, each in of[1].items()}
    if of[0] == "map":
        return {}
    # One object, for there is somebody who asks for the first; of plain values none.
    inner = of[1]
    is_object = isinstance(inner, list) and inner[0] == "object"
    return [invented(kind, name, inner, seed, region)] if is_object else []


def special(kind: str, value: Value, region: str) -> Value:
    """What follows from what is known, and is read by others."""
    if kind == "aws_s3_bucket":
        name = value["bucket"]
        return {
            "id": name,
            "arn": f"arn:aws:s3:::{name}",
            "bucket_regional_domain_name": f"{name}.s3.{region}.amazonaws.com",
        }
    if kind == "aws_acm_certificate":
        names = {value["domain_name"], *(value.get("subject_alternative_names") or [])}
        return {
            "domain_validation_options": [
                {
                    "domain_name": name,
                    "resource_record_name": f"_proof.{name}.",
                    "resource_record_type": "CNAME",
                    "resource_record_value": "_proof.acm-validations.aws.",
                }
                for name in sorted(names)
            ]
        }
    if kind == "aws_db_instance":
        host = f"{value['identifier']}.{ACCOUNT}.{region}.rds.amazonaws.com"
        return {"address": host, "endpoint": f"{host}:{value['port']}"}
    if kind == "aws_route53_record":
        return {"fqdn": value["name"]}
    if kind == "aws_iam_policy_document":
        return {"json": policy(value)}
    return {}


def policy(document: Value) -> str:
    """`aws_iam_policy_document` as the JSON that AWS is sent."""
    statements: list[Any] = []
    for source in document.get("source_policy_documents") or []:
        statements += json.loads(source)["Statement"]
    for each in document.get("statement") or []:
        statement: dict[str, Any] = {"Effect": each.get("effect") or "Allow"}
        if each.get("sid"):
            statement["Sid"] = each["sid"]
        for name, key in (("actions", "Action"), ("resources", "Resource")):
            if each.get(name):
                statement[key] = sorted(map(str, each[name]))
        for principal in each.get("principals") or []:
            who = statement.setdefault("Principal", {})
            who[principal["type"]] = sorted(principal["identifiers"])
        for condition in each.get("condition") or []:
            test = statement.setdefault("Condition", {}).setdefault(condition["test"], {})
            test[condition["variable"]] = list(map(str, condition["values"]))
        statements.append(statement)
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
