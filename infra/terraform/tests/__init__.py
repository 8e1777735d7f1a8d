"""What proves it without an account."""
