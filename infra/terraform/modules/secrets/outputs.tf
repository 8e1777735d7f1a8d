output "key_arn" {
  description = "The key that everything at rest is encrypted with."
  value       = aws_kms_key.this.arn
}

output "application" {
  description = "The application's own secret."
  value = {
    arn  = aws_secretsmanager_secret.application.arn
    name = aws_secretsmanager_secret.application.name
  }
}
