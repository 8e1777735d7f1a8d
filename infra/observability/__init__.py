"""What is watched, what is promised, and who is woken: for Prometheus, Alertmanager and Grafana."""
