variable "name" {
  description = "Begins the name of everything."
  type        = string
}

variable "region" {
  description = "Region of everything but CloudFront."
  type        = string
}

variable "emails" {
  description = "Who is told of alarms and of the budget; each address is asked to confirm."
  type        = list(string)

  validation {
    condition     = length(var.emails) > 0 && alltrue([for email in var.emails : can(regex("^[^@ ]+@[^@ ]+[.][^@ ]+$", email))])
    error_message = "emails has at least one address: an alarm that nobody hears is none."
  }
}

variable "monthly_usd" {
  description = "Budget of a month, in US dollars."
  type        = number

  validation {
    condition     = var.monthly_usd > 0
    error_message = "monthly_usd is more than nothing."
  }
}

variable "distribution_id" {
  description = "The CloudFront distribution."
  type        = string
}

variable "balancer" {
  description = "Name of the load balancer in CloudWatch."
  type        = string
}

variable "database" {
  description = "Names of the database's servers in CloudWatch."
  type = object({
    primary  = string
    replicas = list(string)
  })
}

variable "max_connections" {
  description = "max_connections of the primary."
  type        = number
}

variable "redis" {
  description = "Name of the Redis cluster in CloudWatch."
  type        = string
}
