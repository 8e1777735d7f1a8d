"""What the phone and the counter talk to."""
