"""How often who may ask: exact sliding windows, for all processes in Redis, else in each alone."""
