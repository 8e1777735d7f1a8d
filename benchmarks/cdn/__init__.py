"""How much of a load the CDN keeps from the origin, by what it takes as a picture's name."""
