"""The schema's history, and the way to bring a database to its head."""
