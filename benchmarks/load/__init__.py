"""A lunch of thousands, against everything that `comanda up` starts."""
