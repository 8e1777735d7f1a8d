variable "name" {
  description = "Begins the name of everything."
  type        = string
}

variable "requests_per_address" {
  description = "Requests of one address in five minutes, cached ones too: a whole campus may have one."
  type        = number
  default     = 500000

  validation {
    condition     = var.requests_per_address >= 100000
    error_message = "requests_per_address is at least 100000: 5,000 students with 20 pictures each are one address."
  }
}

variable "logins_per_address" {
  description = "Requests to /auth/ of one address in five minutes."
  type        = number
  default     = 15000

  validation {
    condition     = var.logins_per_address >= 5000
    error_message = "logins_per_address is at least 5000: at noon all of a campus logs in from one address."
  }
}

variable "refuse_bots" {
  description = "Whether what Bot Control finds is refused, or only counted."
  type        = bool
}

variable "log_days" {
  description = "Days that logs of refused and counted requests are kept."
  type        = number
}
