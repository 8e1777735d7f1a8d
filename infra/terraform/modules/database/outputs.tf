output "primary" {
  description = "Host and port of the primary."
  value       = aws_db_instance.primary.endpoint
}

output "replicas" {
  description = "Hosts and ports of the replicas, the n-th is replica n."
  value       = [for number in sort(keys(aws_db_instance.replica)) : aws_db_instance.replica[number].endpoint]
}

output "identifiers" {
  description = "Names of the servers in CloudWatch."
  value = {
    primary  = aws_db_instance.primary.identifier
    replicas = [for replica in aws_db_instance.replica : replica.identifier]
  }
}

output "secret" {
  description = "The application's username and password."
  value = {
    arn  = aws_secretsmanager_secret.application.arn
    name = aws_secretsmanager_secret.application.name
  }
}

output "superuser_secret" {
  description = "The superuser's username and password, for the first step only."
  value       = aws_secretsmanager_secret.superuser.name
}
