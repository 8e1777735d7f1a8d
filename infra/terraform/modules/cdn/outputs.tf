output "distribution_id" {
  description = "COMANDA_CLOUDFRONT_DISTRIBUTION."
  value       = aws_cloudfront_distribution.this.id
}

output "distribution_arn" {
  description = "Who may read the variants, and what is purged."
  value       = aws_cloudfront_distribution.this.arn
}

output "log_source_arn" {
  description = "Who delivers access logs."
  value       = aws_cloudwatch_log_delivery_source.this.arn
}
