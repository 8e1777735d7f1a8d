"""What runs inside CloudFront."""
