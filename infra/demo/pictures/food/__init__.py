"""What is eaten, mostly a piece at a time."""
