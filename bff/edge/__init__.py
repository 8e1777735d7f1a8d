"""The outermost layer: what holds for every request, whatever its route."""
