"""A picture in, a variant out."""
