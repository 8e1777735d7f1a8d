variable "name" {
  description = "Begins the name of everything."
  type        = string
}

variable "token_secret" {
  description = "COMANDA_TOKEN_SECRET: signs access tokens. Read when application_version changes."
  type        = string
  sensitive   = true
  ephemeral   = true
  default     = null

  validation {
    condition     = var.token_secret == null || length(coalesce(var.token_secret, "-")) >= 32
    error_message = "token_secret has at least 32 characters."
  }
}

variable "picture_keys" {
  description = "COMANDA_PICTURE_KEYS: name:hex, with commas between, the first one signs. Read when application_version changes."
  type        = string
  sensitive   = true
  ephemeral   = true
  default     = null

  validation {
    condition = var.picture_keys == null || alltrue([
      for key in split(",", coalesce(var.picture_keys, "-")) : can(regex("^[a-z0-9]{1,16}:([0-9a-f]{2}){32,}$", key))
    ])
    error_message = "picture_keys is name:hex of 32 octets or more, with commas between."
  }
}

variable "application_version" {
  description = "Counted up to have token_secret and picture_keys written anew."
  type        = number

  validation {
    condition     = var.application_version >= 1 && floor(var.application_version) == var.application_version
    error_message = "application_version is a whole number from 1."
  }
}
