"""What is eaten, a piece at a time: every function here answers one piece, or a batch's model."""
