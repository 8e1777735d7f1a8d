"""Figures beside the peers' and the floor's, each by one command."""
