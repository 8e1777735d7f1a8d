# Production: 5 to 20 pods of the API, image workers of their own, a standby in another zone, three
# replicas and six Redis nodes.

module "comanda" {
  source = "../../modules/comanda"

  name                 = "production"
  host                 = var.host
  zone_id              = var.zone_id
  emails               = var.emails
  administrators       = var.administrators
  api_cidrs            = var.api_cidrs
  zones                = var.zones
  origin_shield_region = var.origin_shield_region

  # 20 of the API, 10 that render, 2 of the relay, one more of each during a deployment, and two jobs.
  processes = 37

  node_groups = {
    api      = { instance_types = ["m7i.xlarge", "m6i.xlarge"], least = 3, most = 6 }
    pictures = { instance_types = ["c7i.2xlarge", "c6i.2xlarge"], least = 2, most = 5, tainted = true }
  }

  database = {
    instance_class  = "db.r7g.large"
    replica_class   = "db.r7g.large"
    storage_gib     = 100
    max_connections = 1600
    backup_days     = 14
  }

  redis = { node_type = "cache.r7g.large" }

  log_days    = 90
  refuse_bots = true
  protected   = true
  monthly_usd = 4500

  token_secret                = var.token_secret
  picture_keys                = var.picture_keys
  application_version         = var.application_version
  database_superuser_password = var.database_superuser_password
  database_password           = var.database_password
  redis_password              = var.redis_password
  redis_password_version      = var.redis_password_version
}
