output "arn" {
  description = "The load balancer."
  value       = aws_lb.this.arn
}

output "metric_name" {
  description = "Its name in CloudWatch."
  value       = aws_lb.this.arn_suffix
}

output "host" {
  description = "The name by which CloudFront calls it."
  value       = aws_route53_record.this.fqdn
}

output "ingress_annotations" {
  description = "Annotations of the Ingress that this load balancer is for."
  value       = { for name, value in local.annotations : "alb.ingress.kubernetes.io/${name}" => value }
}
