"""The infrastructure as Terraform has it."""
