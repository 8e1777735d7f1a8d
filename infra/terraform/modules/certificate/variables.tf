variable "region" {
  description = "Where it is used; CloudFront looks in us-east-1 only."
  type        = string
}

variable "names" {
  description = "Host names that it is for."
  type        = list(string)

  validation {
    condition     = length(var.names) > 0
    error_message = "names has at least one."
  }
}

variable "zone_id" {
  description = "Route 53 zone of all of them."
  type        = string
}
