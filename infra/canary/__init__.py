"""The drill of a rollout: its own manifests, on a real balancer and a real Prometheus."""
