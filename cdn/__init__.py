"""What the edge and the origin have to agree upon."""
