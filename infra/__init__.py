"""What runs Comanda: the embedded stack, its demo data, and in time its production."""
