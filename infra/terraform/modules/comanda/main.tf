# All of Comanda in one account and region: what staging and production have in common, which is
# everything but sizes and names.

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  name         = "comanda-${var.name}"
  region       = data.aws_region.current.region
  account      = data.aws_caller_identity.current.account_id
  balancer     = "origin.${var.host}"
  edge         = "us-east-1" # where CloudFront looks for certificates
  repository   = "${path.module}/../../../.."
  clients      = { pods = module.cluster.security_group_id }
  rds          = "arn:aws:rds:${local.region}:${local.account}"
  bucket_names = { for what in ["originals", "variants", "logs"] : what => "${local.name}-${what}-${local.account}" }
}

locals {
  # By names, for the database knows the cluster already; those of groups of parameters AWS completes.
  database = {
    arn        = "${local.rds}:db:${local.name}-primary"
    group_arns = ["${local.rds}:subgrp:${local.name}", "${local.rds}:pg:${local.name}-*"]
  }
}

module "network" {
  source = "../network"

  name        = local.name
  cidr        = var.cidr
  zones       = var.zones
  log_days    = var.log_days
  kms_key_arn = module.secrets.key_arn
}

module "secrets" {
  source = "../secrets"

  name                = local.name
  token_secret        = var.token_secret
  picture_keys        = var.picture_keys
  application_version = var.application_version
}

# --- pictures and logs ------------------------------------------------------------------------

module "originals" {
  source = "../bucket"

  bucket         = local.bucket_names.originals
  kms_key_arn    = module.secrets.key_arn
  versioned_days = 30
}

# Made anew from the originals whenever they are missed, so not versioned; and encrypted by S3's own
# key, for CloudFront would ask KMS at each miss.
module "variants" {
  source = "../bucket"

  bucket      = local.bucket_names.variants
  expire_days = var.variant_days
  policies    = [data.aws_iam_policy_document.variants.json]
}

data "aws_iam_policy_document" "variants" {
  statement {
    sid       = "CloudFront"
    actions   = ["s3:GetObject"]
    resources = ["arn:aws:s3:::${local.bucket_names.variants}/*"]

    principals {
      type        = "Service"
      identifiers = ["cloudfront.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceArn"
      values   = [module.cdn.distribution_arn]
    }
  }
}

module "logs" {
  source = "../bucket"

  bucket      = local.bucket_names.logs
  expire_days = var.log_days
  policies    = [data.aws_iam_policy_document.logs.json]
}

data "aws_iam_policy_document" "logs" {
  statement {
    sid       = "Balancer"
    actions   = ["s3:PutObject"]
    resources = ["arn:aws:s3:::${local.bucket_names.logs}/balancer/AWSLogs/${local.account}/*"]

    principals {
      type        = "Service"
      identifiers = ["logdelivery.elasticloadbalancing.amazonaws.com"]
    }
  }

  statement {
    sid       = "CloudFront"
    actions   = ["s3:PutObject"]
    resources = ["arn:aws:s3:::${local.bucket_names.logs}/cdn/*"]

    principals {
      type        = "Service"
      identifiers = ["delivery.logs.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [module.cdn.log_source_arn]
    }
  }
}

# --- the way in -------------------------------------------------------------------------------

module "firewall" {
  source = "../firewall"

  name        = local.name
  refuse_bots = var.refuse_bots
  log_days    = var.log_days
}

module "public_certificate" {
  source = "../certificate"

  region  = local.edge
  names   = [var.host]
  zone_id = var.zone_id
}

# Of both names: pictures are asked for by the balancer's own, everything else by the public one.
module "balancer_certificate" {
  source = "../certificate"

  region  = local.region
  names   = [local.balancer, var.host]
  zone_id = var.zone_id
}

module "cdn" {
  source = "../cdn"

  name                 = local.name
  host                 = var.host
  zone_id              = var.zone_id
  certificate_arn      = module.public_certificate.arn
  function             = "${local.repository}/cdn/edge/viewer_request.js"
  variants_domain      = module.variants.domain_name
  balancer_arn         = module.balancer.arn
  balancer_host        = module.balancer.host
  origin_shield_region = var.origin_shield_region
  price_class          = var.price_class
  web_acl_arn          = module.firewall.arn
  log_bucket_arn       = module.logs.arn
}

module "balancer" {
  source = "../balancer"

  name                  = local.name
  vpc_id                = module.network.vpc_id
  subnet_ids            = module.network.private_subnet_ids
  zone_id               = var.zone_id
  host                  = local.balancer
  certificate_arn       = module.balancer_certificate.arn
  cluster_name          = module.cluster.name
  ingress_group         = "comanda"
  pod_security_group_id = module.cluster.security_group_id
  log_bucket            = module.logs.id
}

# --- what serves ------------------------------------------------------------------------------

module "cluster" {
  source = "../cluster"

  name               = local.name
  kubernetes_version = var.kubernetes_version
  subnet_ids         = module.network.private_subnet_ids
  api_cidrs          = var.api_cidrs
  administrators     = var.administrators
  node_groups        = var.node_groups
  kms_key_arn        = module.secrets.key_arn
  log_days           = var.log_days
  protected          = var.protected
  bucket_arns        = [module.originals.arn, module.variants.arn]
  distribution_arn   = module.cdn.distribution_arn
  secret_arns        = [for secret in local.secrets : secret.arn]
  database           = local.database
}

module "database" {
  source = "../database"

  name                      = local.name
  vpc_id                    = module.network.vpc_id
  vpc_cidr                  = module.network.cidr
  zones                     = var.zones
  subnet_ids                = module.network.database_subnet_ids
  rotation_subnet_ids       = module.network.private_subnet_ids
  client_security_group_ids = local.clients
  kms_key_arn               = module.secrets.key_arn
  engine_version            = var.database.engine_version
  instance_class            = var.database.instance_class
  replica_class             = var.database.replica_class
  replicas                  = var.database.replicas
  multi_az                  = var.database.multi_az
  storage_gib               = var.database.storage_gib
  max_connections           = var.database.max_connections
  processes                 = var.processes
  process_connections       = var.process_connections
  backup_days               = var.database.backup_days
  log_days                  = var.log_days
  protected                 = var.protected
  superuser_password        = var.database_superuser_password
  application_password      = var.database_password
}

module "redis" {
  source = "../redis"

  name                      = local.name
  vpc_id                    = module.network.vpc_id
  subnet_ids                = module.network.database_subnet_ids
  client_security_group_ids = local.clients
  kms_key_arn               = module.secrets.key_arn
  node_type                 = var.redis.node_type
  shards                    = var.redis.shards
  replicas                  = var.redis.replicas
  password                  = var.redis_password
  password_version          = var.redis_password_version
  log_days                  = var.log_days
}

# --- who is told ------------------------------------------------------------------------------

module "observability" {
  source = "../observability"

  name            = local.name
  region          = local.region
  emails          = var.emails
  monthly_usd     = var.monthly_usd
  distribution_id = module.cdn.distribution_id
  balancer        = module.balancer.metric_name
  database        = module.database.identifiers
  max_connections = var.database.max_connections
  redis           = module.redis.identifier
}
