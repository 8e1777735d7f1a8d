# The firewall before CloudFront. A campus is one address with thousands of students behind it, who
# open fifty pictures each: limits by address are for floods, people are counted by the application.

locals {
  region = "us-east-1" # CloudFront's

  # What is refused of each group of AWS's rules, but for those that would refuse us.
  managed = {
    AWSManagedRulesAmazonIpReputationList = []
    AWSManagedRulesKnownBadInputsRuleSet  = []
    AWSManagedRulesCommonRuleSet = [
      "SizeRestrictions_BODY",  # 8 KB: a picture that staff upload has more,
      "CrossSiteScripting_BODY" # and any octets
    ]
  }

  rates = {
    address = { limit = var.requests_per_address, path = "/" }
    login   = { limit = var.logins_per_address, path = "/auth/" }
  }
}

resource "aws_wafv2_web_acl" "this" {
  region      = local.region
  name        = var.name
  description = var.name
  scope       = "CLOUDFRONT"

  default_action {
    allow {}
  }

  dynamic "rule" {
    for_each = local.rates

    content {
      name     = "rate-${rule.key}"
      priority = index(keys(local.rates), rule.key)

      action {
        block {
          custom_response {
            response_code = 429

            response_header {
              name  = "Retry-After"
              value = "60"
            }
          }
        }
      }

      statement {
        rate_based_statement {
          limit                 = rule.value.limit
          evaluation_window_sec = 300
          aggregate_key_type    = "IP"

          scope_down_statement {
            byte_match_statement {
              search_string         = rule.value.path
              positional_constraint = "STARTS_WITH"

              field_to_match {
                uri_path {}
              }

              text_transformation {
                priority = 0
                type     = "NORMALIZE_PATH"
              }
            }
          }
        }
      }

      visibility_config {
        metric_name                = "${var.name}-rate-${rule.key}"
        cloudwatch_metrics_enabled = true
        sampled_requests_enabled   = true
      }
    }
  }

  dynamic "rule" {
    for_each = local.managed

    content {
      name     = rule.key
      priority = 10 + index(keys(local.managed), rule.key)

      override_action {
        none {}
      }

      statement {
        managed_rule_group_statement {
          vendor_name = "AWS"
          name        = rule.key

          dynamic "rule_action_override" {
            for_each = rule.value
            iterator = each

            content {
              name = each.value

              action_to_use {
                count {}
              }
            }
          }
        }
      }

      visibility_config {
        metric_name                = "${var.name}-${rule.key}"
        cloudwatch_metrics_enabled = true
        sampled_requests_enabled   = true
      }
    }
  }

  rule {
    name     = "AWSManagedRulesBotControlRuleSet"
    priority = 20

    # Counted until a week's figures were looked at, then refused.
    override_action {
      dynamic "count" {
        for_each = var.refuse_bots ? [] : [true]
        content {}
      }

      dynamic "none" {
        for_each = var.refuse_bots ? [true] : []
        content {}
      }
    }

    statement {
      managed_rule_group_statement {
        vendor_name = "AWS"
        name        = "AWSManagedRulesBotControlRuleSet"

        managed_rule_group_configs {
          aws_managed_rules_bot_control_rule_set {
            inspection_level = "COMMON"
          }
        }

        # The app on the phone is an HTTP library, and no browser.
        dynamic "rule_action_override" {
          for_each = ["CategoryHttpLibrary", "SignalNonBrowserUserAgent"]
          iterator = each

          content {
            name = each.value

            action_to_use {
              count {}
            }
          }
        }

        # It costs by the request, and pictures are most of them.
        scope_down_statement {
          not_statement {
            statement {
              or_statement {
                dynamic "statement" {
                  for_each = ["/products/", "/v/"]
                  iterator = each

                  content {
                    byte_match_statement {
                      search_string         = each.value
                      positional_constraint = "STARTS_WITH"

                      field_to_match {
                        uri_path {}
                      }

                      text_transformation {
                        priority = 0
                        type     = "NONE"
                      }
                    }
                  }
                }
              }
            }
          }
        }
      }
    }

    visibility_config {
      metric_name                = "${var.name}-bots"
      cloudwatch_metrics_enabled = true
      sampled_requests_enabled   = true
    }
  }

  visibility_config {
    metric_name                = var.name
    cloudwatch_metrics_enabled = true
    sampled_requests_enabled   = true
  }
}

# WAF writes only to names that begin like this.
resource "aws_cloudwatch_log_group" "this" {
  region            = local.region
  name              = "aws-waf-logs-${var.name}"
  retention_in_days = var.log_days
}

resource "aws_wafv2_web_acl_logging_configuration" "this" {
  region                  = local.region
  resource_arn            = aws_wafv2_web_acl.this.arn
  log_destination_configs = [aws_cloudwatch_log_group.this.arn]

  # Tokens and cookies are nobody's to read.
  dynamic "redacted_fields" {
    for_each = ["authorization", "cookie"]

    content {
      single_header {
        name = redacted_fields.value
      }
    }
  }

  logging_filter {
    default_behavior = "DROP"

    filter {
      behavior    = "KEEP"
      requirement = "MEETS_ANY"

      dynamic "condition" {
        for_each = ["BLOCK", "COUNT", "EXCLUDED_AS_COUNT"]

        content {
          action_condition {
            action = condition.value
          }
        }
      }
    }
  }
}
