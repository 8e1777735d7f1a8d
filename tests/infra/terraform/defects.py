"""Mistakes of the kind that a person makes while typing, each with what Terraform says to it."""

from typing import Final, NamedTuple

from tests.infra.terraform.workbench import Breach


class Defect(NamedTuple):
    """A mistake, and a part of what is said to it."""

    breach: Breach
    said: str


def _in(file: str, before: str, after: str, said: str) -> Defect:
    return Defect(Breach(f"modules/{file}/main.tf", before, after), said)


DEFECTS: Final = (
    # A type, an argument, a block that there is not.
    _in(
        "balancer",
        'resource "aws_route53_record"',
        'resource "aws_route53_entry"',
        'does not support resource type "aws_route53_entry"',
    ),
    _in("cdn", "price_class     =", "price_klass     =", 'An argument named "price_klass"'),
    _in(
        "bucket",
        "versioning_configuration {",
        "versioning_config {",
        'Blocks of type "versioning_config"',
    ),
    _in(
        "firewall", "rate_based_statement {", "rate_statement {", 'Blocks of type "rate_statement"'
    ),
    # One that is missing.
    _in(
        "cdn",
        '  signing_protocol                  = "sigv4"\n',
        "",
        'The argument "signing_protocol" is required',
    ),
    _in(
        "redis",
        '  description          = "Cache',
        '  # description        = "Cache',
        'The argument "description" is required',
    ),
    _in(
        "network",
        '  traffic_type    = "ALL"\n',
        '  vpc_id_          = "ALL"\n',
        'An argument named "vpc_id_"',
    ),
    _in("observability", '  budget_type  = "COST"\n', "", 'The argument "budget_type" is required'),
    # One too many, and one of the other kind.
    _in(
        "cluster",
        "  upgrade_policy {\n",
        '  upgrade_policy {\n    support_type = "EXTENDED"\n  }\n\n  upgrade_policy {\n',
        'No more than 1 "upgrade_policy" blocks are allowed',
    ),
    _in(
        "cluster",
        "  metadata_options {\n",
        "  metadata_options = {\n",
        'An argument named "metadata_options"',
    ),
    # What is of another type, or of nobody.
    _in(
        "balancer",
        "idle_timeout               = 75",
        'idle_timeout               = "long"',
        "a number is required",
    ),
    _in(
        "database",
        'name        = var.name\n  description = "Database subnets',
        'name        = [var.name]\n  description = "Database subnets',
        "string required",
    ),
    _in(
        "cdn",
        "domain_name              = var.variants_domain",
        "domain_name              = aws_cloudfront_vpc_origin.this.domain_name",
        'no argument, nested block, or exported attribute named "domain_name"',
    ),
    _in(
        "network",
        "nat_gateway_id = aws_nat_gateway.this.id",
        "nat_gateway_id = aws_nat_gateway.that.id",
        '"aws_nat_gateway" "that"',
    ),
    # What only AWS says, and words that it does not know.
    _in(
        "network",
        "  enable_dns_support   = true\n",
        '  enable_dns_support   = true\n  arn                  = "arn:aws:ec2:::vpc/a"\n',
        "arn cannot be set",
    ),
    _in("bucket", '"BucketOwnerEnforced"', '"BucketOwner"', "AWS knows BucketOwnerEnforced"),
    _in(
        "database",
        'engine         = "postgres"',
        'engine         = "postgres"\n  replica_mode   = "warm"',
        "replica_mode is 'warm'",
    ),
    # A secret where it would be kept.
    _in(
        "secrets",
        "  secret_string_wo = jsonencode",
        "  secret_string = jsonencode",
        "Ephemeral values are not valid",
    ),
)
