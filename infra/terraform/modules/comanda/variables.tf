variable "name" {
  description = "Name of the stack: staging or production."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,15}$", var.name))
    error_message = "name has up to 16 small letters, digits and hyphens."
  }
}

# --- names ------------------------------------------------------------------------------------

variable "host" {
  description = "The public name, such as comanda.example."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9-]+[.])+[a-z]{2,}$", var.host))
    error_message = "host is a name such as comanda.example, without https:// and path."
  }
}

variable "zone_id" {
  description = "Route 53 zone that the public name is in."
  type        = string
}

variable "emails" {
  description = "Who is told of alarms and of the budget."
  type        = list(string)
}

variable "administrators" {
  description = "ARNs of the roles that administer the cluster, by a name for each."
  type        = map(string)
}

variable "api_cidrs" {
  description = "Networks that reach the API of Kubernetes from outside."
  type        = list(string)
  default     = []
}

# --- places and sizes -------------------------------------------------------------------------

variable "cidr" {
  description = "IPv4 addresses of the network, a /16."
  type        = string
  default     = "10.0.0.0/16"
}

variable "zones" {
  description = "The three availability zones."
  type        = list(string)
}

variable "origin_shield_region" {
  description = "Region of Origin Shield, the nearest to the buckets that has one."
  type        = string
}

variable "price_class" {
  description = "Where CloudFront answers from."
  type        = string
  default     = "PriceClass_100"
}

variable "kubernetes_version" {
  description = "Version of Kubernetes."
  type        = string
  default     = "1.34"
}

variable "node_groups" {
  description = "Groups of nodes: `api`, and `pictures`, which only image workers tolerate."
  type = map(object({
    instance_types = list(string)
    least          = number
    most           = number
    spot           = optional(bool, false)
    tainted        = optional(bool, false)
  }))
}

variable "database" {
  description = "PostgreSQL: version, classes and sizes."
  type = object({
    engine_version  = optional(string, "18")
    instance_class  = string
    replica_class   = string
    replicas        = optional(number, 3)
    multi_az        = optional(bool, true)
    storage_gib     = number
    max_connections = number
    backup_days     = number
  })
}

variable "processes" {
  description = "Most processes of the application at once, those that come up during a deployment counted in."
  type        = number
}

variable "process_connections" {
  description = "COMANDA_DATABASE_CONNECTIONS: most connections of a process to each node."
  type        = number
  default     = 20

  validation {
    condition     = var.process_connections >= 10
    error_message = "process_connections is at least 10, which a process keeps open when idle."
  }
}

variable "redis" {
  description = "Redis: type of its nodes, masters and replicas of each."
  type = object({
    node_type = string
    shards    = optional(number, 3)
    replicas  = optional(number, 1)
  })
}

variable "variant_days" {
  description = "Days after which a stored variant is made anew."
  type        = number
  default     = 180

  validation {
    condition     = var.variant_days >= 30
    error_message = "variant_days is at least 30, or the same pictures are rendered again and again."
  }
}

variable "log_days" {
  description = "Days that logs are kept, one of CloudWatch's choices."
  type        = number

  validation {
    condition     = contains([30, 60, 90, 120, 150, 180, 365, 400], var.log_days)
    error_message = "log_days is 30, 60, 90, 120, 150, 180, 365 or 400."
  }
}

variable "refuse_bots" {
  description = "Whether what Bot Control finds is refused, or only counted."
  type        = bool
}

variable "protected" {
  description = "Whether the database and the cluster refuse to be deleted."
  type        = bool
}

variable "monthly_usd" {
  description = "Budget of a month, in US dollars."
  type        = number
}

# --- secrets: in no file, no state and no plan ------------------------------------------------

variable "token_secret" {
  description = "COMANDA_TOKEN_SECRET."
  type        = string
  sensitive   = true
  ephemeral   = true
  default     = null
}

variable "picture_keys" {
  description = "COMANDA_PICTURE_KEYS."
  type        = string
  sensitive   = true
  ephemeral   = true
  default     = null
}

variable "application_version" {
  description = "Counted up to have token_secret and picture_keys written anew."
  type        = number
  default     = 1
}

variable "database_superuser_password" {
  description = "The superuser's first password."
  type        = string
  sensitive   = true
  ephemeral   = true
  default     = null
}

variable "database_password" {
  description = "The application's first password."
  type        = string
  sensitive   = true
  ephemeral   = true
  default     = null
}

variable "redis_password" {
  description = "The word that Redis asks for."
  type        = string
  sensitive   = true
  ephemeral   = true
  default     = null
}

variable "redis_password_version" {
  description = "Counted up to have the word changed."
  type        = number
  default     = 1
}
