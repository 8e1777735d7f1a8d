"""A made-up campus to show Comanda with: people, dishes, orders, pictures."""
