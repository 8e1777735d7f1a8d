variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "kubernetes_version" {
  description = "Version of Kubernetes, such as 1.34."
  type        = string

  validation {
    condition     = can(regex("^1[.][0-9]{2}$", var.kubernetes_version))
    error_message = "kubernetes_version is like 1.34."
  }
}

variable "subnet_ids" {
  description = "Private subnets of the nodes, one a zone."
  type        = list(string)
}

variable "api_cidrs" {
  description = "Networks that reach the API of Kubernetes from outside; none: only the network itself does."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.api_cidrs : can(cidrhost(cidr, 0)) && tonumber(split("/", cidr)[1]) >= 16])
    error_message = "api_cidrs are networks of /16 or smaller, such as an office's; never 0.0.0.0/0."
  }
}

variable "administrators" {
  description = "ARNs of the roles that administer the cluster, by a name for each."
  type        = map(string)

  validation {
    condition     = length(var.administrators) > 0 && alltrue([for arn in values(var.administrators) : startswith(arn, "arn:aws:iam::")])
    error_message = "administrators names one role at least: whoever made the cluster is none by that."
  }
}

variable "node_groups" {
  description = "Groups of nodes: `api`, and `pictures`, which only image workers tolerate."
  type = map(object({
    instance_types = list(string)
    least          = number
    most           = number
    spot           = optional(bool, false)
    tainted        = optional(bool, false)
  }))

  validation {
    condition     = alltrue([for group in values(var.node_groups) : group.least >= 1 && group.most >= group.least])
    error_message = "node_groups have at least one node, and most is no less than least."
  }

  validation {
    condition     = toset(keys(var.node_groups)) == toset(["api", "pictures"]) && !try(var.node_groups["api"].tainted, true)
    error_message = "node_groups are api, where everything may run, and pictures."
  }
}

variable "kms_key_arn" {
  description = "Key of Kubernetes' secrets, of logs, of originals and of the Secrets Manager's."
  type        = string
}

variable "log_days" {
  description = "Days that logs of the control plane are kept."
  type        = number
}

variable "protected" {
  description = "Whether it refuses to be deleted."
  type        = bool
}

variable "bucket_arns" {
  description = "Buckets of originals and variants."
  type        = list(string)
}

variable "distribution_arn" {
  description = "CloudFront distribution that pictures are purged from."
  type        = string
}

variable "database" {
  description = "The primary, and the groups that an instance restored beside it is in."
  type = object({
    arn        = string
    group_arns = list(string)
  })
}

variable "secret_arns" {
  description = "Secrets that become the application's settings."
  type        = list(string)
}
