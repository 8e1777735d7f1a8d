"""What is kept so that everything may be lost, and the drill that shows that it is enough."""
