"""What has to be true of production whatever else is changed, each with a change that breaks it.

A policy looks at what an apply comes to and says what is wrong with it; nothing, if all is well.
"""

import fnmatch
import json
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from bff.settings import PREFIX, SettingsError, described, from_environment
from cdn import freshness
from cdn.edge.build import FUNCTION
from infra.recovery.rehearsal import SUFFIX
from tests.infra.terraform.workbench import ROOT, SECRETS, Breach, State, Values

Check = Callable[[State], Iterator[str]]
_KUBERNETES: Final = ROOT / "infra" / "kubernetes"


class Policy(NamedTuple):
    """A check, and a change of the code that it has to notice."""

    name: str
    check: Check
    breach: Breach


POLICIES: Final[list[Policy]] = []


def _broken_by(file: str, before: str, after: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        POLICIES.append(Policy(check.__name__, check, Breach(file, before, after)))
        return check

    return register


def _statements(document: str) -> list[Values]:
    return list(json.loads(document)["Statement"])


def _distribution(state: State) -> Values:
    return state.only("aws_cloudfront_distribution")


def _behaviour(state: State, path: str) -> Values:
    distribution = _distribution(state)
    for each in distribution["ordered_cache_behavior"]:
        if fnmatch.fnmatchcase(path, each["path_pattern"]):
            return dict(each)
    return dict(distribution["default_cache_behavior"][0])


def _origin(state: State, name: str) -> Values:
    return next(e for e in _distribution(state)["origin"] if e["origin_id"] == name)


# --- buckets ------------------------------------------------------------------------------------


@_broken_by(
    "modules/bucket/main.tf", "restrict_public_buckets = true", "restrict_public_buckets = false"
)
def no_bucket_is_public(state: State) -> Iterator[str]:
    """Three of them, and all four locks on each."""
    blocks = state.of("aws_s3_bucket_public_access_block")
    locks = ("block_public_acls", "block_public_policy", "ignore_public_acls")
    if {b["bucket"] for b in blocks} != {b["id"] for b in state.of("aws_s3_bucket")}:
        yield "a bucket has no block of public access"
    for block in blocks:
        if not all(block[lock] for lock in (*locks, "restrict_public_buckets")):
            yield f"{block['bucket']} may become public"


@_broken_by("modules/bucket/main.tf", 'effect    = "Deny"', 'effect    = "Allow"')
def buckets_answer_by_tls_only(state: State) -> Iterator[str]:
    """A Deny for everybody, of everything."""
    for policy in state.of("aws_s3_bucket_policy"):
        refused = [
            each
            for each in _statements(policy["policy"])
            if each["Effect"] == "Deny"
            and each["Principal"] == {"*": ["*"]}
            and each.get("Condition") == {"Bool": {"aws:SecureTransport": ["false"]}}
        ]
        if not refused:
            yield f"{policy['bucket']} answers without TLS"


@_broken_by("modules/comanda/main.tf", "  versioned_days = 30\n", "")
def originals_can_be_had_back(state: State) -> Iterator[str]:
    """Versioned, and encrypted with our key."""
    (versioning,) = state.of("aws_s3_bucket_versioning", "module.originals")
    if versioning["versioning_configuration"][0]["status"] != "Enabled":
        yield "an original that is replaced by mistake is gone"
    (encryption,) = state.of(
        "aws_s3_bucket_server_side_encryption_configuration", "module.originals"
    )
    rule = encryption["rule"][0]["apply_server_side_encryption_by_default"][0]
    if rule["kms_master_key_id"] != state.only("aws_kms_key")["arn"]:
        yield "originals are not encrypted with our key"


@_broken_by("modules/comanda/main.tf", "  expire_days = var.variant_days\n", "")
def variants_do_not_pile_up(state: State) -> Iterator[str]:
    """They are made anew whenever they are missed."""
    (lifecycle,) = state.of("aws_s3_bucket_lifecycle_configuration", "module.variants")
    if not any(rule["expiration"] for rule in lifecycle["rule"]):
        yield "variants of pictures that nobody looks at stay for ever"


@_broken_by(
    "modules/comanda/main.tf",
    'variable = "aws:SourceArn"\n      values   = [module.cdn.distribution_arn]',
    'variable = "aws:SourceAccount"\n      values   = [local.account]',
)
def variants_are_read_by_our_distribution_only(state: State) -> Iterator[str]:
    """And by none of somebody else's."""
    (policy,) = state.of("aws_s3_bucket_policy", "module.variants")
    ours = {"StringEquals": {"aws:SourceArn": [_distribution(state)["arn"]]}}
    for each in _statements(policy["policy"]):
        if each["Effect"] == "Allow" and each.get("Condition") != ours:
            yield f"{each['Principal']} reads variants under {each.get('Condition')}"


# --- CloudFront ---------------------------------------------------------------------------------


@_broken_by("modules/cdn/main.tf", "missing = [403, 404,", "missing = [404,")
def pictures_are_asked_of_s3_first_and_then_of_the_application(state: State) -> Iterator[str]:
    """S3 says 403 of what is not there."""
    (group,) = _distribution(state)["origin_group"]
    if [each["origin_id"] for each in group["member"]] != ["variants", "pictures"]:
        yield "the group is not the variants, then the application"
    if not {403, 404, 500, 502, 503, 504} <= set(group["failover_criteria"][0]["status_codes"]):
        yield "a picture that S3 does not have, or give, is not asked of the application"
    for path in ("/products/1", "/v/1/current/w300_q80.webp"):
        if _behaviour(state, path)["target_origin_id"] != group["origin_id"]:
            yield f"{path} is asked of {_behaviour(state, path)['target_origin_id']}"


@_broken_by("modules/cdn/main.tf", "error_caching_min_ttl = 0", "error_caching_min_ttl = 10")
def errors_are_not_kept(state: State) -> Iterator[str]:
    """Not longer than the second that cdn/freshness.py allows for."""
    kept = {
        each["error_code"]: each["error_caching_min_ttl"]
        for each in _distribution(state)["custom_error_response"]
    }
    for code in (400, 403, 404, 500, 502, 503, 504):
        if kept.get(code, 10) > 1:
            yield f"a {code} is kept for {kept.get(code, 10)} s"


@_broken_by(
    "modules/cdn/main.tf",
    "    cache_policy_id          = local.kinds.uncached.cache",
    "    cache_policy_id          = local.kinds.pages.cache",
)
def the_api_is_neither_cached_nor_compressed(state: State) -> Iterator[str]:
    """The application knows what may be kept, and compresses itself."""
    uncached = state.only(
        "aws_cloudfront_cache_policy", "data.aws_cloudfront_cache_policy.uncached"
    )
    for path in ("/api/orders", "/auth/login", "/socket.io/", "/"):
        behaviour = _behaviour(state, path)
        if behaviour["cache_policy_id"] != uncached["id"] or behaviour["compress"]:
            yield f"{path} is cached, or compressed"
        if not {"PUT", "POST", "PATCH", "DELETE"} <= set(behaviour["allowed_methods"]):
            yield f"{path} takes no writes"
        if behaviour["origin_request_policy_id"] is None:
            yield f"{path} is not told of tokens and queries"


@_broken_by(
    "modules/cdn/main.tf",
    'comment = "The path alone is the key; for how long is said with each answer"\n\n'
    "  # An answer that says nothing is none of ours.\n  min_ttl     = 0",
    'comment = "The path alone is the key; for how long is said with each answer"\n\n'
    "  # An answer that says nothing is none of ours.\n  min_ttl     = 60",
)
def a_picture_is_kept_as_long_as_the_application_says(state: State) -> Iterator[str]:
    """And its path alone is its key."""
    policy = state.only(
        "aws_cloudfront_cache_policy", "module.cdn.aws_cloudfront_cache_policy.pictures"
    )
    if (policy["min_ttl"], policy["default_ttl"]) != (0, 0) or policy["max_ttl"] < 31536000:
        yield "a picture is kept for longer, or for less, than is said with it"
    (key,) = policy["parameters_in_cache_key_and_forwarded_to_origin"]
    kinds = {
        key["headers_config"][0]["header_behavior"],
        key["query_strings_config"][0]["query_string_behavior"],
    }
    if kinds != {"none"} or key["enable_accept_encoding_gzip"]:
        yield "one picture is kept under several keys"


@_broken_by(
    "modules/cdn/main.tf",
    'enable_accept_encoding_gzip   = true\n\n    cookies_config {\n      cookie_behavior = "none"',
    'enable_accept_encoding_gzip   = true\n\n    cookies_config {\n      cookie_behavior = "all"',
)
def nothing_that_is_kept_has_seen_a_cookie(state: State) -> Iterator[str]:
    """Or it is one person's, and given to another."""
    for policy in state.of("aws_cloudfront_cache_policy", "module.cdn.aws_cloudfront"):
        (key,) = policy["parameters_in_cache_key_and_forwarded_to_origin"]
        if key["cookies_config"][0]["cookie_behavior"] != "none":
            yield f"{policy['name']} forwards cookies"


@_broken_by("modules/cdn/main.tf", "\"default-src 'none'; sandbox\"", "\"default-src 'none'\"")
def pictures_from_s3_have_the_headers_of_the_application(state: State) -> Iterator[str]:
    """cdn.freshness.STATIC, whichever of the two answers."""
    policy = state.only("aws_cloudfront_response_headers_policy")
    given = {each["header"]: each["value"] for each in policy["custom_headers_config"][0]["items"]}
    (security,) = policy["security_headers_config"]
    given["Content-Security-Policy"] = security["content_security_policy"][0][
        "content_security_policy"
    ]
    if security["content_type_options"]:
        given["X-Content-Type-Options"] = "nosniff"
    if given != freshness.STATIC:
        yield f"{given} instead of {freshness.STATIC}"
    for path in ("/products/1", "/v/1/current/w300_q80.webp"):
        if _behaviour(state, path)["response_headers_policy_id"] != policy["id"]:
            yield f"{path} lacks them"


@_broken_by("modules/cdn/main.tf", '"x-amz-meta-cache-tag"', '"cache-tag"')
def pictures_are_purged_by_the_tag_that_s3_gives(state: State) -> Iterator[str]:
    """The name that an object's metadata has in S3's answer."""
    (config,) = _distribution(state)["cache_tag_config"]
    if config["header_name"] not in {name.lower() for name in freshness.TAG_HEADERS[1:]}:
        yield f"CloudFront looks for tags in {config['header_name']}"


@_broken_by("modules/cdn/main.tf", 'path = "/products/*"', 'path = "/product/*"')
def the_function_at_the_edge_is_the_one_that_is_tested(state: State) -> Iterator[str]:
    """And it runs where pictures are asked for, and nowhere else."""
    function = state.only("aws_cloudfront_function")
    if function["code"] != FUNCTION.read_text(encoding="utf-8"):
        yield "another function is uploaded"
    for path, wanted in {"/products/1": [function["arn"]], "/api/products/1": []}.items():
        found = [e["function_arn"] for e in _behaviour(state, path)["function_association"]]
        if found != wanted:
            yield f"at {path} there is {found}"


@_broken_by("modules/cdn/main.tf", "sockets  = { read = 60,", "sockets  = { read = 20,")
def a_poll_is_not_cut_off(state: State) -> Iterator[str]:
    """Held for 25 s, and 20 s for the answer (docs/realtime.md)."""
    behaviour = _behaviour(state, "/socket.io/")
    (config,) = _origin(state, behaviour["target_origin_id"])["vpc_origin_config"]
    if config["origin_read_timeout"] <= 45:
        yield f"CloudFront gives up a poll after {config['origin_read_timeout']} s"
    if state.only("aws_lb")["idle_timeout"] <= 60:
        yield "the load balancer closes a socket between two pings"


@_broken_by(
    "modules/cdn/main.tf",
    'origin.key == "pictures" ? [var.origin_shield_region] : []',
    "[]",
)
def what_all_edges_miss_is_rendered_once(state: State) -> Iterator[str]:
    """By Origin Shield, in one region for both origins."""
    shields = [_origin(state, name)["origin_shield"] for name in ("variants", "pictures")]
    if not all(shield and shield[0]["enabled"] for shield in shields):
        yield "an origin of pictures has no shield"
    elif len({shield[0]["origin_shield_region"] for shield in shields}) != 1:
        yield "the two have shields in different regions"


@_broken_by("modules/cdn/main.tf", '"TLSv1.2_2021"', '"TLSv1"')
def nobody_speaks_old_tls(state: State) -> Iterator[str]:
    """With CloudFront, or CloudFront with us."""
    distribution = _distribution(state)
    if distribution["viewer_certificate"][0]["minimum_protocol_version"] < "TLSv1.2_2021":
        yield "old TLS is understood"
    every = [*distribution["ordered_cache_behavior"], *distribution["default_cache_behavior"]]
    if any(each["viewer_protocol_policy"] == "allow-all" for each in every):
        yield "no TLS is understood"
    (origin,) = state.only("aws_cloudfront_vpc_origin")["vpc_origin_endpoint_config"]
    if origin["origin_protocol_policy"] != "https-only":
        yield "CloudFront asks us without TLS"


@_broken_by("modules/cdn/main.tf", '  log_type     = "ACCESS_LOGS"', '  log_type     = "ERRORS"')
def requests_are_logged(state: State) -> Iterator[str]:
    """By CloudFront, the load balancer, the firewall and the network."""
    source = state.only("aws_cloudwatch_log_delivery_source")
    if (source["resource_arn"], source["log_type"]) != (_distribution(state)["arn"], "ACCESS_LOGS"):
        yield "CloudFront's requests are not logged"
    if not state.only("aws_lb")["access_logs"][0]["enabled"]:
        yield "the load balancer's requests are not logged"
    redacted = {
        field["single_header"][0]["name"]
        for field in state.only("aws_wafv2_web_acl_logging_configuration")["redacted_fields"]
    }
    if not {"authorization", "cookie"} <= redacted:
        yield "tokens are in the firewall's log"


# --- the firewall -------------------------------------------------------------------------------


@_broken_by("modules/cdn/main.tf", "  web_acl_id      = var.web_acl_arn\n", "")
def everything_passes_the_firewall(state: State) -> Iterator[str]:
    """It is CloudFront's own."""
    if _distribution(state)["web_acl_id"] != state.only("aws_wafv2_web_acl")["arn"]:
        yield "CloudFront has no firewall"


@_broken_by(
    "modules/firewall/main.tf",
    '      "SizeRestrictions_BODY",  # 8 KB: a picture that staff upload has more,\n',
    "",
)
def the_firewall_lets_pictures_be_uploaded(state: State) -> Iterator[str]:
    """And knows floods, bots and what everybody knows to be bad."""
    rules = {rule["name"]: rule for rule in state.only("aws_wafv2_web_acl")["rule"]}
    groups = {
        found["name"]: found
        for rule in rules.values()
        for found in rule["statement"][0]["managed_rule_group_statement"]
    }
    common = groups.get("AWSManagedRulesCommonRuleSet", {"rule_action_override": []})
    counted = {
        each["name"] for each in common["rule_action_override"] if each["action_to_use"][0]["count"]
    }
    if "SizeRestrictions_BODY" not in counted:
        yield "a picture of more than 8 KB is refused"
    wanted = {
        f"AWSManagedRules{name}RuleSet" for name in ("Common", "KnownBadInputs", "BotControl")
    }
    if not wanted <= groups.keys():
        yield f"{wanted - groups.keys()} are not asked"
    if not any(rule["statement"][0]["rate_based_statement"] for rule in rules.values()):
        yield "a flood is not noticed"


# --- the way in ---------------------------------------------------------------------------------


@_broken_by("modules/balancer/main.tf", "internal           = true", "internal           = false")
def only_cloudfront_reaches_us(state: State) -> Iterator[str]:
    """By its VPC origin: the load balancer has no address that others know."""
    balancer = state.only("aws_lb")
    if not balancer["internal"]:
        yield "the load balancer is on the internet"
    (origin,) = state.only("aws_cloudfront_vpc_origin")["vpc_origin_endpoint_config"]
    if origin["arn"] != balancer["arn"]:
        yield "CloudFront has another origin"
    for rule in state.of("aws_vpc_security_group_ingress_rule", "module.balancer"):
        if rule["security_group_id"] in balancer["security_groups"] and not rule["prefix_list_id"]:
            yield f"others reach the load balancer: {rule['description']}"


@_broken_by(
    "modules/network/main.tf",
    "cidr_ipv4         = aws_vpc.this.cidr_block",
    'cidr_ipv4         = "0.0.0.0/0"',
)
def nobody_lets_everybody_in(state: State) -> Iterator[str]:
    """And no group of rules lets out to everywhere but the nodes' own, which is EKS's."""
    for kind in ("ingress", "egress"):
        for rule in state.of(f"aws_vpc_security_group_{kind}_rule"):
            if "0.0.0.0/0" in (rule["cidr_ipv4"], rule["cidr_ipv6"]):
                yield f"{rule['description']} is open to everybody"


@_broken_by(
    "modules/balancer/main.tf",
    '"stickiness.enabled"                    = true',
    '"stickiness.enabled"                    = false',
)
def polls_find_the_process_that_has_their_session(state: State) -> Iterator[str]:
    """By a cookie of the load balancer's (docs/realtime.md)."""
    annotations = state.outputs["ingress_annotations"]
    text = annotations["alb.ingress.kubernetes.io/target-group-attributes"]
    given = dict(pair.split("=") for pair in text.split(","))
    if (given["stickiness.enabled"], given["stickiness.type"]) != ("true", "lb_cookie"):
        yield "a poll finds any process"
    if int(given["deregistration_delay.timeout_seconds"]) >= 90:
        yield "a target is waited for that was killed long ago"


@_broken_by("modules/balancer/main.tf", '"/ready"', '"/health"')
def who_is_not_ready_is_not_asked(state: State) -> Iterator[str]:
    """/health asks nobody, so it says nothing about the database."""
    annotations = state.outputs["ingress_annotations"]
    if annotations["alb.ingress.kubernetes.io/healthcheck-path"] != "/ready":
        yield "requests come to a process whose database is away"


# --- the database and Redis ---------------------------------------------------------------------


@_broken_by(
    "modules/comanda/variables.tf",
    "multi_az        = optional(bool, true)",
    "multi_az        = optional(bool, false)",
)
def the_primary_survives_a_zone_and_a_mistake(state: State) -> Iterator[str]:
    """A standby, a week and more to go back to, and nobody deletes it by accident."""
    (primary,) = state.of("aws_db_instance", "module.database.aws_db_instance.primary")
    for name in ("multi_az", "storage_encrypted", "deletion_protection", "copy_tags_to_snapshot"):
        if not primary[name]:
            yield f"{name} is off"
    if primary["publicly_accessible"] or primary["skip_final_snapshot"]:
        yield "it is on the internet, or leaves nothing behind"
    if primary["backup_retention_period"] < 7:
        yield "what nobody noticed for a week cannot be mended"


@_broken_by(
    "modules/database/main.tf",
    "availability_zone   = each.value.zone",
    "availability_zone   = var.zones[0]",
)
def three_replicas_are_in_three_zones(state: State) -> Iterator[str]:
    """One is always left."""
    replicas = state.of("aws_db_instance", "module.database.aws_db_instance.replica")
    if len(replicas) != 3 or len({each["availability_zone"] for each in replicas}) != 3:
        yield f"{len(replicas)} replicas in {[each['availability_zone'] for each in replicas]}"
    (primary,) = state.of("aws_db_instance", "module.database.aws_db_instance.primary")
    if {each["replicate_source_db"] for each in replicas} != {primary["identifier"]}:
        yield "a replica follows another server"


@_broken_by(
    "modules/redis/main.tf",
    "num_node_groups            = var.shards",
    "num_node_groups            = 1",
)
def redis_has_six_nodes_and_keeps_nothing(state: State) -> Iterator[str]:
    """Three masters, each with a replica in another zone (docs/decisions/0015)."""
    group = state.only("aws_elasticache_replication_group")
    if group["num_node_groups"] * (1 + group["replicas_per_node_group"]) != 6:
        yield f"{group['num_node_groups']} x {1 + group['replicas_per_node_group']} nodes"
    for name in ("automatic_failover_enabled", "multi_az_enabled", "transit_encryption_enabled"):
        if not group[name]:
            yield f"{name} is off"
    if group["snapshot_retention_limit"]:
        yield "snapshots are taken of what is no record of anything"
    parameters = {
        each["name"]: each["value"]
        for each in state.only("aws_elasticache_parameter_group")["parameter"]
    }
    if parameters["maxmemory-policy"] != "allkeys-lru":
        yield "a full cache refuses writes"


# --- who may do what ----------------------------------------------------------------------------


@_broken_by(
    "modules/cluster/main.tf", '["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]', '["s3:*"]'
)
def the_application_may_what_it_does(state: State) -> Iterator[str]:
    """What imaging/shelves.py and cdn/purge.py call, and its settings; on what is ours."""
    wanted = {
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:ListBucket",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "cloudfront:CreateInvalidation",
        "secretsmanager:GetSecretValue",
    }
    (policy,) = [
        p for p in state.of("aws_iam_role_policy", "module.cluster") if p["name"] == "application"
    ]
    statements = _statements(policy["policy"])
    given = {action for each in statements for action in each["Action"]}
    if given != wanted:
        yield f"{given ^ wanted} is too much, or is missing"
    if any(resource == "*" for each in statements for resource in each["Resource"]):
        yield "it may do something to what is not ours"


@_broken_by(
    "modules/cluster/main.tf",
    """    actions   = ["rds:DeleteDBInstance"]
    resources = [local.drill]""",
    """    actions   = ["rds:DeleteDBInstance"]
    resources = [var.database.arn]""",
)
def the_drill_may_delete_what_it_made_and_nothing_else(state: State) -> Iterator[str]:
    """What infra/recovery/rehearsal.py calls; what it makes is beside the primary."""
    primary = state.of("aws_db_instance", "module.database.aws_db_instance.primary")[0]
    (policy,) = [
        p for p in state.of("aws_iam_role_policy", "module.cluster") if p["name"] == "drill"
    ]
    given: dict[str, list[str]] = {}
    for each in _statements(policy["policy"]):
        given |= dict.fromkeys(each["Action"], each["Resource"])
    if given.keys() != {
        "rds:DescribeDBInstances",
        "rds:RestoreDBInstanceToPointInTime",
        "rds:DeleteDBInstance",
        "kms:CreateGrant",
        "kms:DescribeKey",
    }:
        yield f"it may do {sorted(given)}"
    names = [arn.rpartition(":")[2] for arn in given["rds:DeleteDBInstance"]]
    if names != [primary["identifier"] + SUFFIX]:
        yield f"it may delete {names}"
    restored = [arn.partition(":rds:")[2] for arn in given["rds:RestoreDBInstanceToPointInTime"]]
    wanted = [f":db:{primary['identifier']}", f":subgrp:{primary['db_subnet_group_name']}"]
    if not all(any(arn.endswith(each) for arn in restored) for each in wanted):
        yield f"it may not restore what there is: {restored}"


@_broken_by(
    "modules/cluster/main.tf",
    'variable = "aws:ResourceTag/k8s.io/cluster-autoscaler/${var.name}"',
    'variable = "aws:RequestedRegion"',
)
def nobody_may_change_what_is_not_ours(state: State) -> Iterator[str]:
    """Who may write to any resource may do so by its tag only."""
    looks = ("Describe", "List", "Get")
    for policy in state.of("aws_iam_role_policy"):
        for each in _statements(policy["policy"]):
            verbs = [action.partition(":")[2] for action in each["Action"]]
            if "*" in verbs:
                yield f"{policy['name']} may do anything"
            writes = [verb for verb in verbs if not verb.startswith(looks)]
            tags = json.dumps(each.get("Condition", {})).count("Tag/")
            if "*" in each["Resource"] and writes and not tags:
                yield f"{policy['name']} may {writes} to anything"


@_broken_by("modules/cluster/main.tf", 'subject = "comanda:comanda"', 'subject = "comanda:default"')
def a_role_is_taken_by_one_service_account_only(state: State) -> Iterator[str]:
    """And the application's is `comanda` in the namespace `comanda`."""
    subjects = set()
    for role in state.of("aws_iam_role", "module.cluster.aws_iam_role.service_account"):
        for each in _statements(role["assume_role_policy"]):
            found = each["Condition"]["StringEquals"]
            (subject,) = next(v for k, v in found.items() if k.endswith(":sub"))
            subjects.add(subject.removeprefix("system:serviceaccount:"))
            if not any(key.endswith(":aud") for key in found):
                yield f"{role['name']} is taken with a token that is for somebody else"
    ours = {"comanda:comanda", "comanda:comanda-drill"}
    if not ours <= subjects or any("*" in each for each in subjects):
        yield f"roles are taken by {subjects}"


@_broken_by(
    "modules/cluster/main.tf",
    'http_tokens                 = "required"',
    'http_tokens                 = "optional"',
)
def a_pod_does_not_become_its_node(state: State) -> Iterator[str]:
    """The node's own credentials are a hop further than a pod comes."""
    (options,) = state.only("aws_launch_template")["metadata_options"]
    if (options["http_tokens"], options["http_put_response_hop_limit"]) != ("required", 1):
        yield "a pod is given the node's credentials"


# --- secrets and settings -----------------------------------------------------------------------


@_broken_by(
    "modules/redis/main.tf",
    'description          = "Cache, limits, fences and news of ${var.name}"',
    'description          = "redis-secret-of-many"',
)
def no_secret_is_in_the_state(state: State) -> Iterator[str]:
    """They are written to AWS and kept nowhere here."""
    for name, secret in SECRETS.items():
        if secret in state.text:
            yield f"{name} is in the state"


@_broken_by("modules/secrets/main.tf", "  kms_key_id              = aws_kms_key.this.arn\n", "")
def secrets_have_our_key(state: State) -> Iterator[str]:
    """Which turns once a year."""
    key = state.only("aws_kms_key")
    if not key["enable_key_rotation"]:
        yield "the key never turns"
    for secret in state.of("aws_secretsmanager_secret"):
        if secret["kms_key_id"] != key["arn"]:
            yield f"{secret['name']} has AWS's key"


@_broken_by(
    "modules/database/main.tf",
    'RotationType          = "PostgreSQLMultiUser"',
    'RotationType          = "PostgreSQLSingleUser"',
)
def passwords_turn_without_locking_anybody_out(state: State) -> Iterator[str]:
    """The application's two roles take turns."""
    template = json.loads(state.only("aws_cloudformation_stack")["template_body"])
    turns = {
        each["Properties"]["SecretId"]: each["Properties"]["HostedRotationLambda"]["RotationType"]
        for each in template["Resources"].values()
    }
    secrets = {
        each["name"].rpartition("/")[2]: each["arn"]
        for each in state.of("aws_secretsmanager_secret", "module.database")
    }
    if turns.get(secrets["database"]) != "PostgreSQLMultiUser":
        yield "a pod that runs is locked out when the password turns"
    if secrets["database-superuser"] not in turns:
        yield "the superuser's password never turns"


@_broken_by(
    "modules/comanda/outputs.tf",
    "COMANDA_S3_VARIANTS             =",
    "COMANDA_S3_VARIANT              =",
)
def the_application_understands_its_settings(state: State) -> Iterator[str]:
    """As the ConfigMap and the ExternalSecret hand them over."""
    known = {name for name, _, _ in described()}
    filled = {
        "username": "comanda_app",
        "password": "p",
        **{f"{PREFIX}{name.upper()}": SECRETS[name] for name in ("token_secret", "picture_keys")},
    }
    given = dict(state.outputs["settings"])
    for name, each in state.outputs["secret_settings"].items():
        text = each["template"]
        for key, value in filled.items():
            text = text.replace("{{ ." + key + " }}", value)
        given[name] = text
    if unknown := given.keys() - known:
        yield f"{unknown} are no settings"
    try:
        settings = from_environment(given)
    except SettingsError as error:
        yield str(error)
        return
    if len(settings.replica_urls) != 3 or not settings.redis_cluster:
        yield "it does not know all servers"
    if settings.s3_variants != state.of("aws_s3_bucket", "module.variants")[0]["bucket"]:
        yield "it keeps variants elsewhere"


# --- Kubernetes ---------------------------------------------------------------------------------


def _manifests(*files: str) -> list[Values]:
    texts = [(_KUBERNETES / file).read_text(encoding="utf-8") for file in files]
    return [msgspec.yaml.decode(part) for text in texts for part in text.split("\n---\n")]


def _of(kind: str, manifests: list[Values]) -> Values:
    return next(each for each in manifests if each["kind"] == kind)


@_broken_by("modules/balancer/main.tf", '"healthy-threshold-count"', '"target-node-labels"')
def kubernetes_has_what_terraform_says(state: State) -> Iterator[str]:
    """The overlay is written by hand: but for what AWS gives out, it is as the outputs are."""
    overlay = _manifests("overlays/production/from-terraform.yaml")
    given = dict(_of("Ingress", overlay)["metadata"]["annotations"])
    wanted = dict(state.outputs["ingress_annotations"])
    for name in ("certificate-arn", "security-groups"):
        for each in (given, wanted):
            each[f"alb.ingress.kubernetes.io/{name}"] = "a number"
    if given != wanted:
        yield f"annotations: {given.items() ^ wanted.items()}"
    env = (_KUBERNETES / "overlays/production/settings.env").read_text(encoding="utf-8")
    for name, value in state.outputs["settings"].items():
        line = f"{name}={value}".replace("123456789012", "000000000000")
        if line not in env and name != "COMANDA_CLOUDFRONT_DISTRIBUTION":
            yield f"{line} is not in settings.env"
    for account in (each for each in overlay if each["kind"] == "ServiceAccount"):
        role = account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
        if role.rpartition("/")[2] not in {r["name"] for r in state.of("aws_iam_role")}:
            yield f"there is no {role}"
    prefix = _of("SecretStore", overlay)["spec"]["provider"]["aws"]["prefix"]
    secrets = _of("ExternalSecret", _manifests("base/settings.yaml"))["spec"]["data"]
    read = {prefix + each["remoteRef"]["key"] for each in secrets}
    if read != {each["secret"] for each in state.outputs["secret_settings"].values()}:
        yield f"it reads {read}"


@_broken_by(
    "modules/database/main.tf",
    "value        = var.max_connections",
    "value        = var.max_connections / 2",
)
def there_are_connections_for_every_pod_that_may_come(state: State) -> Iterator[str]:
    """As many as the autoscalers may bring, one more of each during a deployment, and two jobs."""
    pools = _manifests("base/api.yaml", "base/pictures.yaml", "base/relay.yaml")
    most = sum(e["spec"]["maxReplicas"] for e in pools if e["kind"] == "HorizontalPodAutoscaler")
    most += sum(e["spec"].get("replicas", 0) for e in pools if e["kind"] == "Deployment") + 3 + 2
    each = int(state.outputs["settings"]["COMANDA_DATABASE_CONNECTIONS"])
    (bound,) = [
        int(parameter["value"])
        for parameter in state.only("aws_db_parameter_group")["parameter"]
        if parameter["name"] == "max_connections"
    ]
    # To the primary twice as many: what reads and what writes have connections of their own.
    if most * each * 2 + 50 > bound:
        yield f"{most} processes need {most * each * 2 + 50}, and there are {bound}"


@_broken_by(
    "modules/cluster/main.tf",
    'labels         = { "comanda/pool" = each.key }',
    'labels         = { "comanda/group" = each.key }',
)
def pods_that_render_find_their_nodes(state: State) -> Iterator[str]:
    """By label, and past the taint that keeps others away."""
    pod = _of("Deployment", _manifests("base/pictures.yaml"))["spec"]["template"]["spec"]
    nodes = state.of("aws_eks_node_group", "module.cluster")
    fitting = [e for e in nodes if pod["nodeSelector"].items() <= e["labels"].items()]
    if len(fitting) != 1:
        yield f"{len(fitting)} groups of nodes have {pod['nodeSelector']}"
    tolerated = {(each["key"], each["value"]) for each in pod["tolerations"]}
    for group in fitting:
        if not {(taint["key"], taint["value"]) for taint in group["taint"]} <= tolerated:
            yield f"{group['node_group_name']} keeps them away"


# --- what is told -------------------------------------------------------------------------------


@_broken_by(
    "modules/observability/main.tf",
    "  alarm_actions      = [aws_sns_topic.alarms[try(each.value.region, var.region)].arn]",
    "  alarm_actions      = [aws_sns_topic.alarms[var.region].arn]",
)
def every_alarm_is_heard(state: State) -> Iterator[str]:
    """It tells a topic of its own region, which somebody listens to."""
    topics = {each["arn"]: each["region"] for each in state.of("aws_sns_topic")}
    heard = {each["topic_arn"] for each in state.of("aws_sns_topic_subscription")}
    for alarm in state.of("aws_cloudwatch_metric_alarm"):
        (topic,) = alarm["alarm_actions"]
        if topics.get(topic) != alarm["region"] or topic not in heard:
            yield f"nobody hears {alarm['alarm_name']}"


@_broken_by(
    "modules/observability/main.tf",
    '[format("user:stack$%s", var.name)]',
    '["user:stack$comanda"]',
)
def the_budget_is_of_this_stack(state: State) -> Iterator[str]:
    """By a tag that everything has."""
    (cost,) = state.only("aws_budgets_budget")["cost_filter"]
    for address, values in state.managed():
        tags = values.get("tags_all")
        if tags is not None and cost["values"] != [f"user:stack${tags.get('stack')}"]:
            yield f"{address} is not counted"
            return


@_broken_by("modules/network/main.tf", "  retention_in_days = var.log_days\n", "")
def logs_have_an_end(state: State) -> Iterator[str]:
    """They hold addresses of people."""
    for group in state.of("aws_cloudwatch_log_group"):
        if not group["retention_in_days"]:
            yield f"{group['name']} is kept for ever"


def everything_wrong(state: State) -> dict[str, list[Any]]:
    """What each policy says, of those that say something."""
    said = {policy.name: list(policy.check(state)) for policy in POLICIES}
    return {name: faults for name, faults in said.items() if faults}
