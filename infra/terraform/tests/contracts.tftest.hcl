# What each module refuses to be given, all of a module's bounds in one run. Here:
#   terraform init && terraform test

mock_provider "aws" {}

variables {
  name                      = "comanda-test"
  vpc_id                    = "vpc-0"
  vpc_cidr                  = "10.20.0.0/16"
  zones                     = ["eu-south-2a", "eu-south-2b", "eu-south-2c"]
  subnet_ids                = ["subnet-a", "subnet-b", "subnet-c"]
  rotation_subnet_ids       = ["subnet-a", "subnet-b", "subnet-c"]
  client_security_group_ids = { pods = "sg-0" }
  kms_key_arn               = "arn:aws:kms:eu-south-2:123456789012:key/0"
  log_days                  = 30
  zone_id                   = "Z0"
  host                      = "comanda.example"
  protected                 = true
}

run "a_network_has_room_for_pods_and_three_zones" {
  command = plan

  module {
    source = "../modules/network"
  }

  variables {
    cidr  = "10.20.0.0/20"
    zones = ["eu-south-2a", "eu-south-2b", "eu-south-2b"]
  }

  expect_failures = [var.cidr, var.zones]
}

run "secrets_are_long_enough" {
  command = plan

  module {
    source = "../modules/secrets"
  }

  variables {
    token_secret        = "short"
    picture_keys        = "a:1234"
    application_version = 0
  }

  expect_failures = [var.token_secret, var.picture_keys, var.application_version]
}

run "a_database_can_be_gone_back_in_and_read_from" {
  command = plan

  module {
    source = "../modules/database"
  }

  variables {
    engine_version      = "14"
    instance_class      = "db.t4g.medium"
    replica_class       = "db.t4g.medium"
    multi_az            = true
    replicas            = 0
    storage_gib         = 5
    backup_days         = 1
    rotation_days       = 365
    max_connections     = 300
    processes           = 8
    process_connections = 10
  }

  expect_failures = [
    var.engine_version, var.replicas, var.storage_gib, var.backup_days, var.rotation_days,
  ]
}

run "a_database_has_connections_for_all_processes" {
  command = plan

  module {
    source = "../modules/database"
  }

  variables {
    engine_version      = "18"
    instance_class      = "db.t4g.medium"
    replica_class       = "db.t4g.medium"
    multi_az            = true
    replicas            = 3
    storage_gib         = 20
    backup_days         = 7
    max_connections     = 300
    processes           = 20
    process_connections = 10
  }

  expect_failures = [aws_db_parameter_group.this]
}

run "redis_survives_a_node" {
  command = plan

  module {
    source = "../modules/redis"
  }

  variables {
    engine_version = "6.2"
    node_type      = "cache.t4g.small"
    shards         = 1
    replicas       = 0
    password       = "short"
  }

  expect_failures = [var.engine_version, var.shards, var.replicas, var.password]
}

run "kubernetes_is_not_everybodys" {
  command = plan

  module {
    source = "../modules/cluster"
  }

  variables {
    kubernetes_version = "latest"
    api_cidrs          = ["0.0.0.0/0"]
    administrators     = {}
    node_groups        = { api = { instance_types = ["t3.large"], least = 0, most = 1 } }
    bucket_arns        = ["arn:aws:s3:::a"]
    distribution_arn   = "arn:aws:cloudfront::123456789012:distribution/A"
    secret_arns        = ["arn:aws:secretsmanager:eu-south-2:123456789012:secret:a"]
    database           = { arn = "arn:aws:rds:eu-south-2:123456789012:db:a-primary", group_arns = [] }
  }

  expect_failures = [var.kubernetes_version, var.api_cidrs, var.administrators, var.node_groups]
}

run "a_target_leaves_before_its_pod_is_killed" {
  command = plan

  module {
    source = "../modules/balancer"
  }

  variables {
    name                   = "a name with blanks"
    certificate_arn        = "arn:aws:acm:eu-south-2:123456789012:certificate/0"
    cluster_name           = "comanda-test"
    ingress_group          = "comanda"
    pod_security_group_id  = "sg-0"
    log_bucket             = "logs"
    probe_seconds          = 1
    grace_seconds          = 30
    deregistration_seconds = 45
  }

  expect_failures = [var.name, var.probe_seconds, var.deregistration_seconds]
}

run "cloudfront_is_given_what_it_takes" {
  command = plan

  module {
    source = "../modules/cdn"
  }

  variables {
    certificate_arn      = "arn:aws:acm:eu-south-2:123456789012:certificate/0"
    function             = "versions.tf"
    variants_domain      = "variants.s3.eu-south-2.amazonaws.com"
    balancer_arn         = "arn:aws:elasticloadbalancing:eu-south-2:123456789012:loadbalancer/app/a/0"
    balancer_host        = "origin.comanda.example"
    origin_shield_region = "eu-south-2"
    price_class          = "PriceClass_Cheap"
    web_acl_arn          = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/a/0"
    log_bucket_arn       = "arn:aws:s3:::logs"
  }

  expect_failures = [var.certificate_arn, var.origin_shield_region, var.price_class]
}

run "the_firewall_does_not_take_a_campus_for_a_flood" {
  command = plan

  module {
    source = "../modules/firewall"
  }

  variables {
    refuse_bots          = true
    requests_per_address = 2000
    logins_per_address   = 100
  }

  expect_failures = [var.requests_per_address, var.logins_per_address]
}

run "alarms_have_somebody_to_wake" {
  command = plan

  module {
    source = "../modules/observability"
  }

  variables {
    region          = "eu-south-2"
    emails          = []
    monthly_usd     = 0
    distribution_id = "A"
    balancer        = "app/a/0"
    database        = { primary = "a", replicas = ["b"] }
    max_connections = 300
    redis           = "a"
  }

  expect_failures = [var.emails, var.monthly_usd]
}

run "a_stack_has_a_name_and_a_place" {
  command = plan

  module {
    source = "../modules/comanda"
  }

  variables {
    name                 = "Production"
    host                 = "https://comanda.example/"
    emails               = ["operations@comanda.example"]
    administrators       = { operations = "arn:aws:iam::123456789012:role/operations" }
    origin_shield_region = "eu-west-1"
    node_groups = {
      api      = { instance_types = ["t3.large"], least = 2, most = 3 }
      pictures = { instance_types = ["c7i.large"], least = 1, most = 2, tainted = true }
    }
    database = {
      instance_class  = "db.t4g.medium"
      replica_class   = "db.t4g.medium"
      storage_gib     = 20
      max_connections = 300
      backup_days     = 7
    }
    redis               = { node_type = "cache.t4g.small" }
    processes           = 8
    process_connections = 5
    variant_days        = 1
    log_days            = 29
    refuse_bots         = false
    monthly_usd         = 1000
  }

  expect_failures = [var.name, var.host, var.process_connections, var.variant_days, var.log_days]
}
