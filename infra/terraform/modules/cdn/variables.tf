variable "name" {
  description = "Begins the name of everything."
  type        = string
}

variable "host" {
  description = "The public name."
  type        = string
}

variable "zone_id" {
  description = "Route 53 zone of the public name."
  type        = string
}

variable "certificate_arn" {
  description = "Certificate of the public name, in us-east-1."
  type        = string

  validation {
    condition     = startswith(var.certificate_arn, "arn:aws:acm:us-east-1:")
    error_message = "certificate_arn is of us-east-1: CloudFront looks nowhere else."
  }
}

variable "function" {
  description = "Path of the function that runs at viewer requests."
  type        = string
}

variable "variants_domain" {
  description = "Regional domain name of the bucket of variants."
  type        = string
}

variable "balancer_arn" {
  description = "The internal load balancer."
  type        = string
}

variable "balancer_host" {
  description = "A name that its certificate fits."
  type        = string
}

variable "origin_shield_region" {
  description = "Region of Origin Shield, the nearest to the buckets that has one."
  type        = string

  validation {
    condition = contains([
      "us-east-1", "us-east-2", "us-west-2", "ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-southeast-1",
      "ap-southeast-2", "eu-central-1", "eu-west-1", "eu-west-2", "sa-east-1", "me-central-1",
    ], var.origin_shield_region)
    error_message = "origin_shield_region has no Origin Shield: name the nearest region that has one, such as eu-west-1."
  }
}

variable "price_class" {
  description = "Where CloudFront answers from."
  type        = string
  default     = "PriceClass_100"

  validation {
    condition     = contains(["PriceClass_100", "PriceClass_200", "PriceClass_All"], var.price_class)
    error_message = "price_class is PriceClass_100 (Europe and North America), PriceClass_200 or PriceClass_All."
  }
}

variable "web_acl_arn" {
  description = "The firewall."
  type        = string
}

variable "log_bucket_arn" {
  description = "Bucket of access logs."
  type        = string
}
