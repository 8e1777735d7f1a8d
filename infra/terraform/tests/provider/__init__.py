"""hashicorp/aws without AWS: its schema out of a package on PyPI, and made-up answers."""
