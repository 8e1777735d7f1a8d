output "id" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.id
}

output "arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.this.arn
}

output "domain_name" {
  description = "Where CloudFront asks for its objects."
  value       = aws_s3_bucket.this.bucket_regional_domain_name
}
