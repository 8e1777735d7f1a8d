output "name" {
  description = "Name of the cluster."
  value       = aws_eks_cluster.this.name
}

output "security_group_id" {
  description = "Security group of nodes and pods."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "role_arns" {
  description = "Roles of the service accounts, for the annotation eks.amazonaws.com/role-arn."
  value       = { for name, role in aws_iam_role.service_account : name => role.arn }
}

output "repository" {
  description = "Where images are pushed to."
  value       = aws_ecr_repository.this.repository_url
}
