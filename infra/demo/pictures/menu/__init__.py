"""What is cooked: one module a category, each with its dishes."""
