output "address" {
  description = "Host and port that tell of all nodes."
  value       = "${aws_elasticache_replication_group.this.configuration_endpoint_address}:${local.port}"
}

output "identifier" {
  description = "Name of the cluster in CloudWatch."
  value       = aws_elasticache_replication_group.this.id
}

output "nodes" {
  description = "How many nodes there are."
  value       = var.shards * (1 + var.replicas)
}

output "secret" {
  description = "The word that Redis asks for."
  value = {
    arn  = aws_secretsmanager_secret.this.arn
    name = aws_secretsmanager_secret.this.name
  }
}
