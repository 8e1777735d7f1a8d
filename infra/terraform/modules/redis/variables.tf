variable "name" {
  description = "Begins the name of everything."
  type        = string
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the nodes, in three zones."
  type        = list(string)
}

variable "client_security_group_ids" {
  description = "Security groups that may connect, by a name for each."
  type        = map(string)
}

variable "kms_key_arn" {
  description = "Key of the secret, the logs and what is at rest."
  type        = string
}

variable "engine_version" {
  description = "Version of Valkey, 7.2 or later: the application publishes by shard."
  type        = string
  default     = "8.1"

  validation {
    condition     = can(regex("^(7[.]2|[89][.][0-9]+)$", var.engine_version))
    error_message = "engine_version is 7.2 or later, such as 8.1."
  }
}

variable "node_type" {
  description = "Type of the nodes."
  type        = string
}

variable "shards" {
  description = "Masters: one that is lost takes its share of the keys with it for some seconds."
  type        = number
  default     = 3

  validation {
    condition     = var.shards >= 3
    error_message = "shards is at least 3: two thirds go on while one is replaced."
  }
}

variable "replicas" {
  description = "Replicas of each master."
  type        = number
  default     = 1

  validation {
    condition     = var.replicas >= 1 && var.replicas <= 5
    error_message = "replicas is from 1 to 5: without one nobody takes over."
  }
}

variable "password" {
  description = "The word that Redis asks for. Read when password_version changes."
  type        = string
  sensitive   = true
  ephemeral   = true
  default     = null

  validation {
    condition     = var.password == null || can(regex("^[A-Za-z0-9_-]{16,128}$", coalesce(var.password, "-")))
    error_message = "password has 16 to 128 letters, digits, hyphens and underscores."
  }
}

variable "password_version" {
  description = "Counted up to have the password changed."
  type        = number
  default     = 1
}

variable "log_days" {
  description = "Days that logs are kept."
  type        = number
}
