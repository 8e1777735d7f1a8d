# PostgreSQL: a primary with a synchronous standby in another zone, three replicas to read from, and
# its log kept so that any second of the last days can be gone back to.

locals {
  replicas = { for index in range(var.replicas) : index + 1 => {
    zone = var.zones[index % length(var.zones)]
  } }

  port      = 5432
  family    = "postgres${split(".", var.engine_version)[0]}"
  superuser = "root_comanda"
  database  = "comanda"
  logs      = ["postgresql", "upgrade"]
  servers   = concat(["${var.name}-primary"], [for number in keys(local.replicas) : "${var.name}-replica-${number}"])
}

# --- who reaches it ---------------------------------------------------------------------------

resource "aws_db_subnet_group" "this" {
  name        = var.name
  description = "Database subnets of ${var.name}"
  subnet_ids  = var.subnet_ids
}

resource "aws_security_group" "this" {
  name        = "${var.name}-database"
  description = "PostgreSQL, from the pods and the rotation of its passwords"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-database" }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = merge(var.client_security_group_ids, { rotation = aws_security_group.rotation.id })

  security_group_id            = aws_security_group.this.id
  description                  = "PostgreSQL from ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

# --- the servers ------------------------------------------------------------------------------

resource "aws_db_parameter_group" "this" {
  name_prefix = "${var.name}-"
  description = "What Comanda expects of PostgreSQL"
  family      = local.family

  parameter {
    name         = "max_connections"
    value        = var.max_connections
    apply_method = "pending-reboot" # read when the server starts
  }

  dynamic "parameter" {
    for_each = {
      "rds.force_ssl" = 1
      # A long report on a replica holds back vacuum on the primary rather than being cancelled.
      hot_standby_feedback       = 1
      log_min_duration_statement = 1000
      log_lock_waits             = 1
      log_statement              = "ddl"
    }

    content {
      name  = parameter.key
      value = parameter.value
    }
  }

  lifecycle {
    create_before_destroy = true

    # Each process has so many to every node, and as many again to the primary, which takes reads
    # and writes on connections of their own. The rest is for migrations, people and AWS itself.
    precondition {
      condition     = var.processes * var.process_connections * 2 + 50 <= var.max_connections
      error_message = "max_connections does not cover processes x process_connections x 2, and 50 for others."
    }
  }
}

data "aws_iam_policy_document" "monitoring_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["monitoring.rds.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "monitoring" {
  name               = "${var.name}-database-monitoring"
  assume_role_policy = data.aws_iam_policy_document.monitoring_assume.json
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  role       = aws_iam_role.monitoring.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

# RDS cannot keep the password in Secrets Manager by itself where there are replicas of PostgreSQL
# (its documentation, "Limitations for Secrets Manager integration"): so it is ours to rotate.
resource "aws_db_instance" "primary" {
  identifier     = "${var.name}-primary"
  engine         = "postgres"
  engine_version = var.engine_version
  instance_class = var.instance_class
  db_name        = local.database
  port           = local.port

  username            = local.superuser
  password_wo         = var.superuser_password
  password_wo_version = 1

  multi_az               = var.multi_az
  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.this.id]
  parameter_group_name   = aws_db_parameter_group.this.name
  publicly_accessible    = false
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  storage_type          = "gp3"
  allocated_storage     = var.storage_gib
  max_allocated_storage = var.storage_gib * 4
  storage_encrypted     = true
  kms_key_id            = var.kms_key_arn

  # The log is shipped every five minutes: that is the RPO, and not a snapshot's hour.
  backup_retention_period   = var.backup_days
  backup_window             = "02:00-02:30"
  maintenance_window        = "sun:03:00-sun:04:00"
  copy_tags_to_snapshot     = true
  delete_automated_backups  = false
  deletion_protection       = var.protected
  skip_final_snapshot       = !var.protected
  final_snapshot_identifier = var.protected ? "${var.name}-final" : null

  allow_major_version_upgrade     = false
  auto_minor_version_upgrade      = true
  enabled_cloudwatch_logs_exports = local.logs
  performance_insights_enabled    = true
  performance_insights_kms_key_id = var.kms_key_arn
  monitoring_interval             = 30
  monitoring_role_arn             = aws_iam_role.monitoring.arn

  lifecycle {
    # The rotation's business from the first hour on.
    ignore_changes = [password_wo_version]
  }

  depends_on = [aws_cloudwatch_log_group.this]
}

resource "aws_db_instance" "replica" {
  for_each = local.replicas

  identifier          = "${var.name}-replica-${each.key}"
  replicate_source_db = aws_db_instance.primary.identifier
  instance_class      = var.replica_class
  availability_zone   = each.value.zone
  port                = local.port

  vpc_security_group_ids = [aws_security_group.this.id]
  parameter_group_name   = aws_db_parameter_group.this.name
  publicly_accessible    = false
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  # With the primary's key, which RDS does not want to be told.
  storage_encrypted     = true
  storage_type          = "gp3"
  max_allocated_storage = var.storage_gib * 4

  # One that was promoted has to have backups at once.
  backup_retention_period = 1
  maintenance_window      = "sun:0${each.key + 3}:00-sun:0${each.key + 4}:00"
  copy_tags_to_snapshot   = true
  deletion_protection     = var.protected
  # A replica has nothing that the primary has not.
  skip_final_snapshot = true

  auto_minor_version_upgrade      = true
  enabled_cloudwatch_logs_exports = local.logs
  performance_insights_enabled    = true
  performance_insights_kms_key_id = var.kms_key_arn
  monitoring_interval             = 30
  monitoring_role_arn             = aws_iam_role.monitoring.arn

  depends_on = [aws_cloudwatch_log_group.this]
}

# RDS makes them itself otherwise, and keeps them for ever.
resource "aws_cloudwatch_log_group" "this" {
  for_each = { for pair in setproduct(local.servers, local.logs) : join("/", pair) => pair }

  name              = "/aws/rds/instance/${each.key}"
  retention_in_days = var.log_days
  kms_key_id        = var.kms_key_arn
}

# --- its passwords ----------------------------------------------------------------------------

resource "aws_secretsmanager_secret" "superuser" {
  name                    = "${var.name}/database-superuser"
  description             = "Makes the application's role, and rotates its password"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = 30
}

resource "aws_secretsmanager_secret_version" "superuser" {
  secret_id                = aws_secretsmanager_secret.superuser.id
  secret_string_wo_version = 1
  secret_string_wo = jsonencode({
    engine   = "postgres"
    host     = aws_db_instance.primary.address
    port     = local.port
    dbname   = "postgres"
    username = local.superuser
    password = var.superuser_password
  })

  lifecycle {
    ignore_changes = [secret_string_wo_version]
  }
}

resource "aws_secretsmanager_secret" "application" {
  name                    = "${var.name}/database"
  description             = "The role that the application connects as: two take turns"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = 30
}

resource "aws_secretsmanager_secret_version" "application" {
  secret_id                = aws_secretsmanager_secret.application.id
  secret_string_wo_version = 1
  secret_string_wo = jsonencode({
    engine    = "postgres"
    host      = aws_db_instance.primary.address
    port      = local.port
    dbname    = local.database
    username  = "comanda_app"
    password  = var.application_password
    masterarn = aws_secretsmanager_secret.superuser.arn
  })

  lifecycle {
    ignore_changes = [secret_string_wo_version]
  }
}

resource "aws_security_group" "rotation" {
  name        = "${var.name}-database-rotation"
  description = "The functions that change passwords"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-database-rotation" }
}

resource "aws_vpc_security_group_egress_rule" "rotation" {
  for_each = {
    "PostgreSQL"          = local.port
    "the Secrets Manager" = 443
  }

  security_group_id = aws_security_group.rotation.id
  description       = "To ${each.key}"
  cidr_ipv4         = var.vpc_cidr
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
}

# AWS's own functions, which only CloudFormation installs. The superuser's password is changed in
# place. The application's roles take turns: what a pod began with is good until the turn after.
resource "aws_cloudformation_stack" "rotation" {
  name         = "${var.name}-database-rotation"
  capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]

  template_body = jsonencode({
    Transform = "AWS::SecretsManager-2024-09-16"
    Resources = { for name, rotation in {
      Superuser = {
        secret = aws_secretsmanager_secret.superuser.arn
        lambda = { RotationType = "PostgreSQLSingleUser" }
      }
      Application = {
        secret = aws_secretsmanager_secret.application.arn
        lambda = {
          RotationType          = "PostgreSQLMultiUser"
          MasterSecretArn       = aws_secretsmanager_secret.superuser.arn
          MasterSecretKmsKeyArn = var.kms_key_arn
        }
      }
      } : name => {
      Type = "AWS::SecretsManager::RotationSchedule"
      Properties = {
        SecretId = rotation.secret
        # The first turn is by hand, once roles.sql has made the application's roles.
        RotateImmediatelyOnUpdate = false
        RotationRules             = { AutomaticallyAfterDays = var.rotation_days }
        HostedRotationLambda = merge(rotation.lambda, {
          RotationLambdaName  = "${var.name}-${lower(name)}-rotation"
          KmsKeyArn           = var.kms_key_arn
          VpcSubnetIds        = join(",", var.rotation_subnet_ids)
          VpcSecurityGroupIds = aws_security_group.rotation.id
          # It becomes part of a URL.
          ExcludeCharacters = "/@\"'\\:?#%&+ ,=[]"
        })
      }
    } }
  })

  depends_on = [
    aws_secretsmanager_secret_version.superuser,
    aws_secretsmanager_secret_version.application,
  ]
}
