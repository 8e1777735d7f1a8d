"""How many bytes an answer takes: everything or the fields that are asked for, by coding."""
