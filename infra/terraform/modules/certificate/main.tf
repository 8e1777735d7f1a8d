# A certificate of ACM's, proved by DNS, which renews itself as long as the records are there.

locals {
  proofs = { for name in var.names : name => one([
    for proof in aws_acm_certificate.this.domain_validation_options : proof if proof.domain_name == name
  ]) }
}

resource "aws_acm_certificate" "this" {
  region                    = var.region
  domain_name               = var.names[0]
  subject_alternative_names = slice(var.names, 1, length(var.names))
  validation_method         = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "proof" {
  for_each = toset(var.names)

  zone_id = var.zone_id
  name    = local.proofs[each.key].resource_record_name
  type    = local.proofs[each.key].resource_record_type
  records = [local.proofs[each.key].resource_record_value]
  ttl     = 300
  # A name that has certificates in two regions is proved by one and the same record.
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "this" {
  region                  = var.region
  certificate_arn         = aws_acm_certificate.this.arn
  validation_record_fqdns = [for record in aws_route53_record.proof : record.fqdn]
}
