"""Manifests, by kustomize."""
