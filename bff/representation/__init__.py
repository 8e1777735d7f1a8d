"""Domain rows to what goes over the wire, and back."""
