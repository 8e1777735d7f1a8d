# What differs from one account to the next; sizes are in main.tf.

variable "account_id" {
  description = "The account that this stack is for; another one is refused."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id has 12 digits."
  }
}

variable "region" {
  description = "Region of everything but CloudFront."
  type        = string
  default     = "eu-south-2"
}

variable "zones" {
  description = "The three availability zones."
  type        = list(string)
  default     = ["eu-south-2a", "eu-south-2b", "eu-south-2c"]
}

variable "origin_shield_region" {
  description = "Region of Origin Shield, the nearest to the buckets that has one."
  type        = string
  default     = "eu-west-1"
}

variable "host" {
  description = "The public name, such as comanda.example."
  type        = string
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
  description = "Networks that reach the API of Kubernetes from outside, such as an office's."
  type        = list(string)
  default     = []
}

# Secrets come as TF_VAR_*, for one command (docs/infrastructure.md).

variable "token_secret" {
  description = "COMANDA_TOKEN_SECRET: 32 characters or more."
  type        = string
  sensitive   = true
  ephemeral   = true
  default     = null
}

variable "picture_keys" {
  description = "COMANDA_PICTURE_KEYS: name:hex, with commas between."
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
