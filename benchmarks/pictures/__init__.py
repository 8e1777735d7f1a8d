"""What a picture costs, here and at other picture servers, at equal quality."""
