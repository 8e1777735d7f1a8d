variable "name" {
  description = "Begins the name of everything."
  type        = string
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "vpc_cidr" {
  description = "Its addresses."
  type        = string
}

variable "zones" {
  description = "Zones that replicas are spread over."
  type        = list(string)
}

variable "subnet_ids" {
  description = "Subnets of the servers, in three zones."
  type        = list(string)
}

variable "rotation_subnet_ids" {
  description = "Subnets of the functions that change passwords, from which they reach the Secrets Manager."
  type        = list(string)
}

variable "client_security_group_ids" {
  description = "Security groups that may connect, by a name for each."
  type        = map(string)
}

variable "kms_key_arn" {
  description = "Key of storage, backups and secrets."
  type        = string
}

variable "engine_version" {
  description = "Version of PostgreSQL, 15 or later: the major one, or with a minor one."
  type        = string

  validation {
    condition     = can(regex("^(1[5-9]|[2-9][0-9])([.][0-9]+)?$", var.engine_version))
    error_message = "engine_version is 15 or later, such as 18 or 18.1."
  }
}

variable "instance_class" {
  description = "Class of the primary and of its standby."
  type        = string
}

variable "replica_class" {
  description = "Class of the replicas."
  type        = string
}

variable "replicas" {
  description = "Replicas to read from; roles share what there is (docs/routing.md)."
  type        = number

  validation {
    condition     = var.replicas >= 1 && var.replicas <= 5
    error_message = "replicas is from 1 to 5."
  }
}

variable "multi_az" {
  description = "Whether the primary has a synchronous standby in another zone."
  type        = bool
}

variable "storage_gib" {
  description = "GiB to begin with; it grows to four times that by itself."
  type        = number

  validation {
    condition     = var.storage_gib >= 20
    error_message = "storage_gib is at least 20."
  }
}

variable "max_connections" {
  description = "max_connections of every server."
  type        = number
}

variable "processes" {
  description = "Most processes of the application at once, those that come up during a deployment counted in."
  type        = number
}

variable "process_connections" {
  description = "COMANDA_DATABASE_CONNECTIONS: most connections of a process to each node."
  type        = number
}

variable "backup_days" {
  description = "Days that can be gone back to, to the second."
  type        = number

  validation {
    condition     = var.backup_days >= 7 && var.backup_days <= 35
    error_message = "backup_days is from 7 to 35: what nobody noticed for a week has to be mendable."
  }
}

variable "rotation_days" {
  description = "Days after which passwords are changed."
  type        = number
  default     = 30

  validation {
    condition     = var.rotation_days >= 1 && var.rotation_days <= 90
    error_message = "rotation_days is from 1 to 90."
  }
}

variable "log_days" {
  description = "Days that logs are kept."
  type        = number
}

variable "protected" {
  description = "Whether it refuses to be deleted, and leaves a snapshot if it is all the same."
  type        = bool
}

variable "superuser_password" {
  description = "The superuser's first password; changed by the first rotation."
  type        = string
  sensitive   = true
  ephemeral   = true
  default     = null
}

variable "application_password" {
  description = "The application's first password; changed by the first rotation."
  type        = string
  sensitive   = true
  ephemeral   = true
  default     = null
}
