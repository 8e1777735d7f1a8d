output "arn" {
  description = "The firewall, for CloudFront."
  value       = aws_wafv2_web_acl.this.arn
}

output "metric_name" {
  description = "Its name in CloudWatch."
  value       = var.name
}
