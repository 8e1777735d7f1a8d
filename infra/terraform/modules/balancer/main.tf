# The load balancer, which has no address on the internet: only CloudFront's VPC origin reaches it
# (docs/decisions/0016). It is made here, so that CloudFront can be told of it before there is a
# pod; the AWS Load Balancer Controller takes it over by its tags and gives it the listeners and
# target groups of the Ingress, whose annotations are an output, and whose weights a canary moves.

data "aws_ec2_managed_prefix_list" "cloudfront" {
  name = "com.amazonaws.global.cloudfront.origin-facing"
}

resource "aws_security_group" "this" {
  name        = "${var.name}-balancer"
  description = "HTTPS from CloudFront, HTTP to the pods"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-balancer" }
}

resource "aws_vpc_security_group_ingress_rule" "cloudfront" {
  security_group_id = aws_security_group.this.id
  description       = "HTTPS from CloudFront"
  prefix_list_id    = data.aws_ec2_managed_prefix_list.cloudfront.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "pods" {
  security_group_id            = aws_security_group.this.id
  description                  = "HTTP to the pods"
  referenced_security_group_id = var.pod_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.pod_port
  to_port                      = var.pod_port
}

resource "aws_vpc_security_group_ingress_rule" "pods" {
  security_group_id            = var.pod_security_group_id
  description                  = "HTTP from the load balancer"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = var.pod_port
  to_port                      = var.pod_port
}

resource "aws_lb" "this" {
  name               = var.name
  load_balancer_type = "application"
  internal           = true
  subnets            = var.subnet_ids
  security_groups    = [aws_security_group.this.id]

  # Longer than a poll of Socket.IO (25 s) and its answer (20 s) take.
  idle_timeout               = 75
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "strictest"
  enable_deletion_protection = true
  enable_zonal_shift         = true
  xff_header_processing_mode = "append"

  access_logs {
    bucket  = var.log_bucket
    prefix  = "balancer"
    enabled = true
  }

  tags = {
    "elbv2.k8s.aws/cluster"    = var.cluster_name
    "ingress.k8s.aws/stack"    = var.ingress_group
    "ingress.k8s.aws/resource" = "LoadBalancer"
  }
}

resource "aws_route53_record" "this" {
  zone_id = var.zone_id
  name    = var.host
  type    = "A"

  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = true
  }
}

locals {
  annotations = {
    "group.name"                   = var.ingress_group
    "scheme"                       = "internal"
    "target-type"                  = "ip"
    "listen-ports"                 = jsonencode([{ HTTPS = 443 }])
    "ssl-policy"                   = "ELBSecurityPolicy-TLS13-1-2-2021-06"
    "certificate-arn"              = var.certificate_arn
    "security-groups"              = aws_security_group.this.id
    "load-balancer-name"           = aws_lb.this.name
    "healthcheck-path"             = "/ready"
    "success-codes"                = "200"
    "healthcheck-interval-seconds" = tostring(var.probe_seconds)
    "healthcheck-timeout-seconds"  = tostring(min(var.probe_seconds - 1, 5))
    "healthy-threshold-count"      = "2"
    "unhealthy-threshold-count"    = "2"
    # Polls of a Socket.IO session have to find the process that has it (docs/realtime.md).
    "target-group-attributes" = join(",", [for key, value in {
      "stickiness.enabled"                    = true
      "stickiness.type"                       = "lb_cookie"
      "stickiness.lb_cookie.duration_seconds" = 3600
      "deregistration_delay.timeout_seconds"  = var.deregistration_seconds
      "load_balancing.algorithm.type"         = "round_robin"
    } : "${key}=${value}"])
  }
}
