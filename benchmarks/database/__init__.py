"""Reads of orders beside the plain way with an ORM: CPU of the reader and of PostgreSQL."""
