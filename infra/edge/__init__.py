"""CloudFront's stand-in: nginx with the edge function, before S3 and the application."""
