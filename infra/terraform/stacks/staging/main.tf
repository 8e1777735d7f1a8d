# Staging: the same parts in the smallest sizes, so that whatever is tried is tried on what production
# has. What costs by being there twice is there once: no standby, spot nodes.

module "comanda" {
  source = "../../modules/comanda"

  name                 = "staging"
  host                 = var.host
  zone_id              = var.zone_id
  emails               = var.emails
  administrators       = var.administrators
  api_cidrs            = var.api_cidrs
  zones                = var.zones
  origin_shield_region = var.origin_shield_region

  cidr = "10.1.0.0/16"

  # 4 of the API, 3 that render, 2 of the relay, one more of each during a deployment, and two jobs.
  processes = 14

  node_groups = {
    api      = { instance_types = ["t3.large", "t3a.large"], least = 2, most = 3, spot = true }
    pictures = { instance_types = ["c7i.xlarge", "c6i.xlarge"], least = 2, most = 4, spot = true, tainted = true }
  }

  database = {
    instance_class  = "db.t4g.medium"
    replica_class   = "db.t4g.medium"
    multi_az        = false
    storage_gib     = 20
    max_connections = 650
    backup_days     = 7
  }

  redis = { node_type = "cache.t4g.small" }

  log_days    = 30
  refuse_bots = false
  protected   = false
  monthly_usd = 1000

  token_secret                = var.token_secret
  picture_keys                = var.picture_keys
  application_version         = var.application_version
  database_superuser_password = var.database_superuser_password
  database_password           = var.database_password
  redis_password              = var.redis_password
  redis_password_version      = var.redis_password_version
}
