"""What people notice when a part is taken away from under them, while hundreds of them order."""
