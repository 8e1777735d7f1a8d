"""What so many people take, by a model, and how the model stands up to a server."""
