"""The container image, and how its steps are taken without an engine."""
