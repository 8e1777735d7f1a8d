# CloudFront: pictures from S3 or else from the application, under one name each; the API and its
# sockets past every cache; pages for a moment.

locals {
  shelf = "variants"
  # How long each kind of answer may take, in seconds. A picture is refused after ten; a poll of
  # Socket.IO is held for 25. While CloudFront waits, it serves nothing stale.
  applications = {
    pictures = { read = 10, keepalive = 60 }
    api      = { read = 30, keepalive = 60 }
    sockets  = { read = 60, keepalive = 60 }
  }
  group = "variants, or else the application"

  # S3 says 403 of what is not there to whoever may not list, as CloudFront may not.
  missing = [403, 404, 500, 502, 503, 504]

  read = ["GET", "HEAD"]
  all  = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]

  # In this order: the first that fits. What none fits is the API.
  behaviours = [
    # A picture's public address, which the function turns into its canonical one.
    { path = "/products/*", origin = local.group, kind = "pictures", is_public = true },
    # Canonical ones, as a page's srcset may have them.
    { path = "/v/*", origin = local.group, kind = "pictures" },
    { path = "/socket.io/*", origin = "sockets", kind = "uncached" },
    { path = "/gallery*", origin = "api", kind = "pages" },
    { path = "/console*", origin = "api", kind = "pages" },
    { path = "/docs*", origin = "api", kind = "pages" },
    { path = "/schema/*", origin = "api", kind = "pages" },
  ]

  kinds = {
    pictures = {
      cache    = aws_cloudfront_cache_policy.pictures.id
      request  = null
      response = aws_cloudfront_response_headers_policy.pictures.id
      methods  = local.read
      compress = false # what is compressed already grows by it
    }
    pages = {
      cache    = aws_cloudfront_cache_policy.pages.id
      request  = null
      response = null
      methods  = local.read
      compress = true
    }
    uncached = {
      cache    = data.aws_cloudfront_cache_policy.uncached.id
      request  = data.aws_cloudfront_origin_request_policy.all.id
      response = null
      methods  = local.all
      compress = false # the application does, and knows what it answers
    }
  }
}

data "aws_cloudfront_cache_policy" "uncached" {
  name = "Managed-CachingDisabled"
}

data "aws_cloudfront_origin_request_policy" "all" {
  name = "Managed-AllViewer"
}

# --- what runs at the edge --------------------------------------------------------------------

resource "aws_cloudfront_function" "viewer_request" {
  name    = "${var.name}-viewer-request"
  comment = "A picture's public URL to its canonical path"
  runtime = "cloudfront-js-2.0"
  publish = true
  code    = file(var.function)

  lifecycle {
    precondition {
      condition     = length(file(var.function)) <= 10240
      error_message = "CloudFront takes functions of up to 10 KB."
    }
  }
}

# --- what is kept, and under which key --------------------------------------------------------

resource "aws_cloudfront_cache_policy" "pictures" {
  name    = "${var.name}-pictures"
  comment = "The path alone is the key; for how long is said with each answer"

  # An answer that says nothing is none of ours.
  min_ttl     = 0
  default_ttl = 0
  max_ttl     = 31536000

  parameters_in_cache_key_and_forwarded_to_origin {
    enable_accept_encoding_brotli = false
    enable_accept_encoding_gzip   = false

    cookies_config {
      cookie_behavior = "none"
    }

    headers_config {
      header_behavior = "none"
    }

    query_strings_config {
      query_string_behavior = "none"
    }
  }
}

resource "aws_cloudfront_cache_policy" "pages" {
  name    = "${var.name}-pages"
  comment = "Pages, scripts and the description of the API: an hour old at most"

  min_ttl     = 0
  default_ttl = 60
  max_ttl     = 3600

  parameters_in_cache_key_and_forwarded_to_origin {
    enable_accept_encoding_brotli = true
    enable_accept_encoding_gzip   = true

    cookies_config {
      cookie_behavior = "none"
    }

    headers_config {
      header_behavior = "none"
    }

    query_strings_config {
      query_string_behavior = "none"
    }
  }
}

# cdn.freshness.STATIC: what S3 cannot keep with an object.
resource "aws_cloudfront_response_headers_policy" "pictures" {
  name    = "${var.name}-pictures"
  comment = "What S3 cannot keep with a picture"

  custom_headers_config {
    items {
      header   = "Vary"
      value    = "Accept, Save-Data"
      override = true
    }

    items {
      header   = "Cross-Origin-Resource-Policy"
      value    = "cross-origin"
      override = true
    }
  }

  security_headers_config {
    content_type_options {
      override = true
    }

    content_security_policy {
      content_security_policy = "default-src 'none'; sandbox"
      override                = true
    }

    strict_transport_security {
      access_control_max_age_sec = 31536000
      override                   = true
    }
  }
}

# --- where it is from -------------------------------------------------------------------------

resource "aws_cloudfront_origin_access_control" "variants" {
  name                              = "${var.name}-variants"
  description                       = "CloudFront signs what it asks S3 for"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

resource "aws_cloudfront_vpc_origin" "this" {
  vpc_origin_endpoint_config {
    name                   = var.name
    arn                    = var.balancer_arn
    http_port              = 80
    https_port             = 443
    origin_protocol_policy = "https-only"

    origin_ssl_protocols {
      items    = ["TLSv1.2"]
      quantity = 1
    }
  }
}

resource "aws_cloudfront_distribution" "this" {
  comment         = var.name
  enabled         = true
  is_ipv6_enabled = true
  http_version    = "http2and3"
  price_class     = var.price_class
  aliases         = [var.host]
  web_acl_id      = var.web_acl_arn

  # S3 puts this prefix before an object's metadata, and the application answers by the same name.
  cache_tag_config {
    header_name = "x-amz-meta-cache-tag"
  }

  viewer_certificate {
    acm_certificate_arn      = var.certificate_arn
    ssl_support_method       = "sni-only"
    minimum_protocol_version = "TLSv1.2_2021"
  }

  origin {
    origin_id                = local.shelf
    domain_name              = var.variants_domain
    origin_access_control_id = aws_cloudfront_origin_access_control.variants.id
    # Two tries of two seconds, and the application is asked.
    connection_attempts = 2
    connection_timeout  = 2

    origin_shield {
      enabled              = true
      origin_shield_region = var.origin_shield_region
    }
  }

  dynamic "origin" {
    for_each = local.applications

    content {
      origin_id           = origin.key
      domain_name         = var.balancer_host
      connection_attempts = 2
      connection_timeout  = 3

      vpc_origin_config {
        vpc_origin_id            = aws_cloudfront_vpc_origin.this.id
        origin_read_timeout      = origin.value.read
        origin_keepalive_timeout = origin.value.keepalive
      }

      # One place asks, so that what all edges miss at once is rendered once.
      dynamic "origin_shield" {
        for_each = origin.key == "pictures" ? [var.origin_shield_region] : []

        content {
          enabled              = true
          origin_shield_region = origin_shield.value
        }
      }
    }
  }

  origin_group {
    origin_id = local.group

    failover_criteria {
      status_codes = local.missing
    }

    member {
      origin_id = local.shelf
    }

    member {
      origin_id = "pictures"
    }
  }

  dynamic "ordered_cache_behavior" {
    for_each = local.behaviours
    iterator = each

    content {
      path_pattern               = each.value.path
      target_origin_id           = each.value.origin
      viewer_protocol_policy     = "redirect-to-https"
      allowed_methods            = local.kinds[each.value.kind].methods
      cached_methods             = local.read
      compress                   = local.kinds[each.value.kind].compress
      cache_policy_id            = local.kinds[each.value.kind].cache
      origin_request_policy_id   = local.kinds[each.value.kind].request
      response_headers_policy_id = local.kinds[each.value.kind].response

      dynamic "function_association" {
        for_each = try(each.value.is_public, false) ? [aws_cloudfront_function.viewer_request.arn] : []

        content {
          event_type   = "viewer-request"
          function_arn = function_association.value
        }
      }
    }
  }

  default_cache_behavior {
    target_origin_id = "api"
    # Who sends a token over HTTP has lost it already, redirected or not.
    viewer_protocol_policy   = "https-only"
    allowed_methods          = local.kinds.uncached.methods
    cached_methods           = local.read
    compress                 = local.kinds.uncached.compress
    cache_policy_id          = local.kinds.uncached.cache
    origin_request_policy_id = local.kinds.uncached.request
  }

  # Ten seconds if it is not said: then one hiccup is an outage of a picture.
  dynamic "custom_error_response" {
    for_each = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504]
    iterator = each

    content {
      error_code            = each.value
      error_caching_min_ttl = 0
    }
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }
}

resource "aws_route53_record" "this" {
  for_each = toset(["A", "AAAA"])

  zone_id = var.zone_id
  name    = var.host
  type    = each.key

  alias {
    name                   = aws_cloudfront_distribution.this.domain_name
    zone_id                = aws_cloudfront_distribution.this.hosted_zone_id
    evaluate_target_health = false
  }
}

# --- what is told of it -----------------------------------------------------------------------

# The hit ratio and the origin's latency, which are not among the metrics that come for nothing.
resource "aws_cloudfront_monitoring_subscription" "this" {
  distribution_id = aws_cloudfront_distribution.this.id

  monitoring_subscription {
    realtime_metrics_subscription_config {
      realtime_metrics_subscription_status = "Enabled"
    }
  }
}

resource "aws_cloudwatch_log_delivery_source" "this" {
  region       = "us-east-1" # where CloudFront is at home
  name         = "${var.name}-cdn"
  log_type     = "ACCESS_LOGS"
  resource_arn = aws_cloudfront_distribution.this.arn
}

resource "aws_cloudwatch_log_delivery_destination" "this" {
  region        = "us-east-1"
  name          = "${var.name}-cdn"
  output_format = "parquet"

  delivery_destination_configuration {
    destination_resource_arn = "${var.log_bucket_arn}/cdn"
  }
}

resource "aws_cloudwatch_log_delivery" "this" {
  region                   = "us-east-1"
  delivery_source_name     = aws_cloudwatch_log_delivery_source.this.name
  delivery_destination_arn = aws_cloudwatch_log_delivery_destination.this.arn

  s3_delivery_configuration = [{
    suffix_path                 = "/{yyyy}/{MM}/{dd}/{HH}"
    enable_hive_compatible_path = false
  }]
}
