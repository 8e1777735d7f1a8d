"""How long a process takes to begin, and what it weighs."""
