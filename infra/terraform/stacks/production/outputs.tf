output "settings" {
  description = "COMANDA_* settings that are no secrets, for the ConfigMap."
  value       = module.comanda.settings
}

output "secret_settings" {
  description = "COMANDA_* settings that are: the secret that each is from, and how it is made of that, for the ExternalSecret."
  value       = module.comanda.secret_settings
}

output "ingress_annotations" {
  description = "Annotations of the Ingress."
  value       = module.comanda.ingress_annotations
}

output "role_arns" {
  description = "Roles of service accounts, for the annotation eks.amazonaws.com/role-arn."
  value       = module.comanda.role_arns
}

output "cluster_name" {
  description = "For `aws eks update-kubeconfig --name`."
  value       = module.comanda.cluster_name
}

output "repository" {
  description = "Where images are pushed to."
  value       = module.comanda.repository
}

output "superuser_secret" {
  description = "The secret that makes the application's roles, once."
  value       = module.comanda.superuser_secret
}

output "url" {
  description = "Where it is served."
  value       = module.comanda.url
}
