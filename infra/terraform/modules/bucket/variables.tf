variable "bucket" {
  description = "Its name, the only one in the world."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket has 3 to 63 small letters, digits and hyphens."
  }
}

variable "kms_key_arn" {
  description = "Key that objects are encrypted with; S3's own if null."
  type        = string
  default     = null
}

variable "expire_days" {
  description = "Days after which an object is deleted; never if null."
  type        = number
  default     = null
}

variable "versioned_days" {
  description = "Days that what was replaced or deleted can be had back; not versioned if null."
  type        = number
  default     = null
}

variable "policies" {
  description = "Policy documents, as JSON, of who else may do what."
  type        = list(string)
  default     = []
}
