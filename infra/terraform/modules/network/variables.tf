variable "name" {
  description = "Begins the name of everything."
  type        = string
}

variable "cidr" {
  description = "IPv4 addresses of the network, a /16: pods have one each."
  type        = string

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && endswith(var.cidr, "/16")
    error_message = "cidr is an IPv4 network of /16, such as 10.0.0.0/16."
  }
}

variable "zones" {
  description = "The three availability zones."
  type        = list(string)

  validation {
    condition     = length(distinct(var.zones)) == 3
    error_message = "zones are three different ones: a majority has to survive the loss of any."
  }
}

variable "interface_endpoints" {
  description = "AWS services that are reached inside the network, each at an hourly price a zone."
  type        = set(string)
  default     = ["ecr.api", "ecr.dkr", "secretsmanager", "sts"]
}

variable "log_days" {
  description = "Days that flow logs are kept."
  type        = number
}

variable "kms_key_arn" {
  description = "Key that flow logs are encrypted with."
  type        = string
}
