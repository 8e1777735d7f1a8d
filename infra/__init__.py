"""What runs Comanda: the embedded stack, its demo data, and production on AWS."""
