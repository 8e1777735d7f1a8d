variable "name" {
  description = "Name of the load balancer."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]{1,32}$", var.name))
    error_message = "name has up to 32 letters, digits and hyphens."
  }
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, one a zone."
  type        = list(string)
}

variable "zone_id" {
  description = "Route 53 zone of the host."
  type        = string
}

variable "host" {
  description = "The name by which CloudFront calls it, for the certificate to fit."
  type        = string
}

variable "certificate_arn" {
  description = "Certificate of the host and of the public one, which APIs are asked for by."
  type        = string
}

variable "cluster_name" {
  description = "Cluster whose controller takes it over."
  type        = string
}

variable "ingress_group" {
  description = "alb.ingress.kubernetes.io/group.name of the Ingress."
  type        = string
}

variable "pod_security_group_id" {
  description = "Security group of the pods."
  type        = string
}

variable "pod_port" {
  description = "Port of the pods."
  type        = number
  default     = 8000
}

variable "log_bucket" {
  description = "Bucket of access logs."
  type        = string
}

variable "probe_seconds" {
  description = "Seconds between two looks at /ready."
  type        = number
  default     = 5

  validation {
    condition     = var.probe_seconds >= 5 && var.probe_seconds <= 30
    error_message = "probe_seconds is from 5 to 30."
  }
}

variable "grace_seconds" {
  description = "terminationGracePeriodSeconds of the pods."
  type        = number
  default     = 90
}

variable "deregistration_seconds" {
  description = "Seconds that a target which leaves has for what it is answering."
  type        = number
  default     = 45

  validation {
    condition     = var.deregistration_seconds < var.grace_seconds
    error_message = "deregistration_seconds is less than grace_seconds, or a pod is killed with requests on their way to it."
  }
}
