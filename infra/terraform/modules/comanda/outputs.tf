locals {
  secrets = {
    application = module.secrets.application
    database    = module.database.secret
    redis       = module.redis.secret
  }
}

output "settings" {
  description = "COMANDA_* settings that are no secrets, for the ConfigMap."
  value = {
    COMANDA_S3_REGION               = local.region
    COMANDA_S3_ORIGINALS            = module.originals.id
    COMANDA_S3_VARIANTS             = module.variants.id
    COMANDA_CLOUDFRONT_DISTRIBUTION = module.cdn.distribution_id
    COMANDA_REDIS_CLUSTER           = "true"
    COMANDA_DATABASE_CONNECTIONS    = tostring(var.process_connections)
    COMANDA_HOSTS                   = join(",", [var.host, module.balancer.host])
    COMANDA_TRUSTED_PROXIES         = module.network.cidr
    COMANDA_METRICS_NETWORKS        = module.network.cidr
  }
}

output "secret_settings" {
  description = "COMANDA_* settings that are: the secret that each is from, and how it is made of that, for the ExternalSecret."
  value = {
    COMANDA_TOKEN_SECRET = { secret = local.secrets.application.name, template = "{{ .COMANDA_TOKEN_SECRET }}" }
    COMANDA_PICTURE_KEYS = { secret = local.secrets.application.name, template = "{{ .COMANDA_PICTURE_KEYS }}" }
    COMANDA_DATABASE_URL = { secret = local.secrets.database.name, template = local.database_urls[0] }
    COMANDA_REPLICA_URLS = { secret = local.secrets.database.name, template = join(",", slice(local.database_urls, 1, length(local.database_urls))) }
    COMANDA_REDIS_URL    = { secret = local.secrets.redis.name, template = "rediss://:{{ .password }}@${module.redis.address}/0" }
  }
}

locals {
  database_urls = [
    for address in concat([module.database.primary], module.database.replicas) :
    "postgresql://{{ .username }}:{{ .password }}@${address}/comanda?sslmode=require"
  ]
}

output "ingress_annotations" {
  description = "Annotations of the Ingress."
  value       = module.balancer.ingress_annotations
}

output "role_arns" {
  description = "Roles of service accounts, for the annotation eks.amazonaws.com/role-arn."
  value       = module.cluster.role_arns
}

output "cluster_name" {
  description = "For `aws eks update-kubeconfig --name`."
  value       = module.cluster.name
}

output "repository" {
  description = "Where images are pushed to."
  value       = module.cluster.repository
}

output "superuser_secret" {
  description = "The secret that makes the application's roles, once."
  value       = module.database.superuser_secret
}

output "url" {
  description = "Where it is served."
  value       = "https://${var.host}"
}
