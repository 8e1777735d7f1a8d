"""What the package cannot tell: a statement of a WAF rule holds statements, which it calls `any`.

By the documentation of `aws_wafv2_web_acl`; only the kinds of statement that are used here, and
as deep as they are used.
"""

from typing import Any, Final

Schema = dict[str, Any]


def _block(attributes: Schema | None = None, **blocks: Schema) -> Schema:
    return {"attributes": attributes or {}, "block_types": blocks}


def _required(kind: str) -> Schema:
    return {"type": kind, "required": True}


def _optional(kind: str) -> Schema:
    return {"type": kind, "optional": True}


def _one(block: Schema, **required: int) -> Schema:
    return {"nesting_mode": "list", "block": block, "max_items": 1, **required}


def _some(block: Schema, nesting: str = "list", **required: int) -> Schema:
    return {"nesting_mode": nesting, "block": block, **required}


_EMPTY: Final = _block()
_BYTES: Final = _block(
    {"positional_constraint": _required("string"), "search_string": _required("string")},
    field_to_match=_one(
        _block(None, **{name: _one(_EMPTY) for name in ("method", "query_string", "uri_path")})
    ),
    text_transformation=_some(
        _block({"priority": _required("number"), "type": _required("string")}), "set", min_items=1
    ),
)


def _statement(depth: int) -> Schema:
    blocks = {"byte_match_statement": _one(_BYTES)}
    if depth:
        inner = _some(_statement(depth - 1), min_items=1)
        for name in ("and_statement", "or_statement", "not_statement"):
            blocks[name] = _one(_block(None, statement=inner))
    return _block(None, **blocks)


def _rule() -> Schema:
    narrowed = _one(_statement(2))
    actions = {name: _one(_EMPTY) for name in ("allow", "block", "captcha", "challenge", "count")}
    group = _block(
        {
            "name": _required("string"),
            "vendor_name": _required("string"),
            "version": _optional("string"),
        },
        scope_down_statement=narrowed,
        rule_action_override=_some(
            _block(
                {"name": _required("string")},
                action_to_use=_one(_block(None, **actions), min_items=1),
            )
        ),
        managed_rule_group_configs=_some(
            _block(
                None,
                aws_managed_rules_bot_control_rule_set=_one(
                    _block({"inspection_level": _required("string")})
                ),
            )
        ),
    )
    rate = _block(
        {
            "limit": _required("number"),
            "aggregate_key_type": _optional("string"),
            "evaluation_window_sec": _optional("number"),
        },
        scope_down_statement=narrowed,
    )
    top = _statement(2)
    top["block_types"] |= {
        "managed_rule_group_statement": _one(group),
        "rate_based_statement": _one(rate),
    }
    return _one(top, min_items=1)


def complete(schema: Schema) -> None:
    """Put the statement into the schema of the web ACL, where it is used."""
    if acl := schema["resource"].get("aws_wafv2_web_acl"):
        rule = acl["block_types"]["rule"]["block"]
        del rule["attributes"]["statement"]
        rule["block_types"]["statement"] = _rule()
