# The cluster of infra/redis on ElastiCache: three masters, each with a replica in another zone.
# Nothing in it is the only copy (docs/decisions/0015), so nothing is kept of it on disk.

locals {
  port = 6379
}

resource "aws_elasticache_subnet_group" "this" {
  name        = var.name
  description = "Database subnets of ${var.name}"
  subnet_ids  = var.subnet_ids
}

resource "aws_security_group" "this" {
  name        = "${var.name}-redis"
  description = "Redis, from the pods"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-redis" }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = var.client_security_group_ids

  security_group_id            = aws_security_group.this.id
  description                  = "Redis from ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

# infra/redis/redis.conf says why; what is not here, ElastiCache decides itself.
resource "aws_elasticache_parameter_group" "this" {
  name        = var.name
  description = "What Comanda expects of Redis"
  family      = "valkey${split(".", var.engine_version)[0]}"

  dynamic "parameter" {
    for_each = {
      "cluster-enabled"                                = "yes"
      "cluster-allow-pubsubshard-when-down"            = "yes"
      "maxmemory-policy"                               = "allkeys-lru"
      "maxmemory-samples"                              = "10"
      "lazyfree-lazy-eviction"                         = "yes"
      "lazyfree-lazy-expire"                           = "yes"
      "lazyfree-lazy-user-del"                         = "yes"
      "client-output-buffer-limit-pubsub-hard-limit"   = "33554432"
      "client-output-buffer-limit-pubsub-soft-limit"   = "8388608"
      "client-output-buffer-limit-pubsub-soft-seconds" = "10"
    }

    content {
      name  = parameter.key
      value = parameter.value
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = toset(["slow-log", "engine-log"])

  name              = "/${var.name}/redis/${each.key}"
  retention_in_days = var.log_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_elasticache_replication_group" "this" {
  replication_group_id = var.name
  description          = "Cache, limits, fences and news of ${var.name}"
  engine               = "valkey"
  engine_version       = var.engine_version
  node_type            = var.node_type
  parameter_group_name = aws_elasticache_parameter_group.this.name
  port                 = local.port

  cluster_mode               = "enabled"
  num_node_groups            = var.shards
  replicas_per_node_group    = var.replicas
  automatic_failover_enabled = true
  multi_az_enabled           = true

  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [aws_security_group.this.id]
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  at_rest_encryption_enabled = true
  kms_key_id                 = var.kms_key_arn

  # ROTATE has both words good until the next change: write the new one, restart the pods, then
  # count password_version up once more with the same word.
  auth_token_wo              = var.password
  auth_token_wo_version      = var.password_version
  auth_token_update_strategy = "ROTATE"

  snapshot_retention_limit   = 0
  maintenance_window         = "sun:04:00-sun:05:00"
  auto_minor_version_upgrade = true
  apply_immediately          = false

  dynamic "log_delivery_configuration" {
    for_each = aws_cloudwatch_log_group.this

    content {
      log_type         = log_delivery_configuration.key
      destination      = log_delivery_configuration.value.name
      destination_type = "cloudwatch-logs"
      log_format       = "json"
    }
  }
}

resource "aws_secretsmanager_secret" "this" {
  name                    = "${var.name}/redis"
  description             = "The word that Redis asks for"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = 30
}

resource "aws_secretsmanager_secret_version" "this" {
  secret_id                = aws_secretsmanager_secret.this.id
  secret_string_wo_version = var.password_version
  secret_string_wo         = jsonencode({ password = var.password })
}
