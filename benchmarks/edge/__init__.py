"""What the edge layer costs a request."""
