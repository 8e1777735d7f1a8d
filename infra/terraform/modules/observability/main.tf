# What wakes somebody about AWS's own parts, and what they cost. The application's objectives are
# alerted on by its own metrics; these are for what it cannot tell of itself.

locals {
  home    = "us-east-1" # of CloudFront's metrics, and an alarm tells only a topic of its own region
  regions = toset([local.home, var.region])

  cdn = { DistributionId = var.distribution_id, Region = "Global" }

  alarms = merge(
    {
      cdn-errors = {
        region    = local.home, namespace = "AWS/CloudFront", metric = "5xxErrorRate", dimensions = local.cdn
        statistic = "Average", above = 1, minutes = 5, text = "More than 1 % of answers are 5xx, seen from outside"
      }
      cdn-hits = {
        region    = local.home, namespace = "AWS/CloudFront", metric = "CacheHitRate", dimensions = local.cdn
        statistic = "Average", below = 40, minutes = 30, text = "Fewer than 40 % of requests are answered by CloudFront: is a purge or a new parameter at work?"
      }
      balancer-errors = {
        namespace = "AWS/ApplicationELB", metric = "HTTPCode_ELB_5XX_Count", dimensions = { LoadBalancer = var.balancer }
        statistic = "Sum", above = 25, minutes = 5, text = "The load balancer itself answers 5xx: no healthy target, or none that answers"
      }
      balancer-latency = {
        namespace = "AWS/ApplicationELB", metric = "TargetResponseTime", dimensions = { LoadBalancer = var.balancer }
        statistic = "p95", above = 0.5, minutes = 10, text = "One answer in twenty takes half a second or more"
      }
      database-cpu = {
        namespace = "AWS/RDS", metric = "CPUUtilization", dimensions = { DBInstanceIdentifier = var.database.primary }
        statistic = "Average", above = 80, minutes = 15, text = "The primary has no CPU to spare"
      }
      database-storage = {
        namespace = "AWS/RDS", metric = "FreeStorageSpace", dimensions = { DBInstanceIdentifier = var.database.primary }
        statistic = "Minimum", below = 10737418240, minutes = 5, text = "Less than 10 GiB is free, and storage does not grow fast enough"
      }
      database-connections = {
        namespace = "AWS/RDS", metric = "DatabaseConnections", dimensions = { DBInstanceIdentifier = var.database.primary }
        statistic = "Maximum", above = var.max_connections * 0.8, minutes = 5, text = "Four fifths of max_connections are taken"
      }
      redis-cpu = {
        namespace = "AWS/ElastiCache", metric = "EngineCPUUtilization", dimensions = { ReplicationGroupId = var.redis }
        statistic = "Maximum", above = 80, minutes = 10, text = "A node's one thread that answers has no time to spare"
      }
      redis-memory = {
        namespace = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage", dimensions = { ReplicationGroupId = var.redis }
        statistic = "Maximum", above = 90, minutes = 15, text = "Redis is about to forget what is still of use"
      }
    },
    { for index, replica in var.database.replicas : "replica-lag-${index + 1}" => {
      namespace = "AWS/RDS", metric = "ReplicaLag", dimensions = { DBInstanceIdentifier = replica }
      statistic = "Average", above = 5, minutes = 5, text = "A replica is too far behind to be read from (docs/routing.md)"
    } },
  )
}

resource "aws_sns_topic" "alarms" {
  for_each = local.regions

  region = each.key
  name   = "${var.name}-alarms"
}

resource "aws_sns_topic_subscription" "alarms" {
  for_each = { for pair in setproduct(local.regions, var.emails) : join(" ", pair) => { region = pair[0], email = pair[1] } }

  region    = each.value.region
  topic_arn = aws_sns_topic.alarms[each.value.region].arn
  protocol  = "email"
  endpoint  = each.value.email
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  region              = try(each.value.region, var.region)
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = can(each.value.above) ? "GreaterThanThreshold" : "LessThanThreshold"
  threshold           = try(each.value.above, each.value.below)
  period              = 60
  evaluation_periods  = each.value.minutes
  datapoints_to_alarm = ceil(each.value.minutes * 0.8)
  # At night nobody asks, and no figure is no fault.
  treat_missing_data = "notBreaching"
  alarm_actions      = [aws_sns_topic.alarms[try(each.value.region, var.region)].arn]
  ok_actions         = [aws_sns_topic.alarms[try(each.value.region, var.region)].arn]
}

resource "aws_budgets_budget" "this" {
  name         = var.name
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = tostring(var.monthly_usd)
  limit_unit   = "USD"

  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:stack$%s", var.name)]
  }

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }

    content {
      notification_type          = notification.key
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      comparison_operator        = "GREATER_THAN"
      subscriber_email_addresses = var.emails
    }
  }
}
