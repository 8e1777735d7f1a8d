"""What whoever runs the application needs of it: figures, logs, readiness, an orderly end."""
