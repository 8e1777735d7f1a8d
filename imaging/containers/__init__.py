"""One module for each file format: what a file says of itself, read without decoding a pixel."""
