terraform {
  required_version = ">= 1.11, < 2.0"

  # Where the state is, is said at `terraform init -backend-config=backend.hcl` (backend.hcl.example).
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.69"
    }
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = {
      project    = "comanda"
      stack      = "comanda-staging"
      managed-by = "terraform"
    }
  }
}
