"""Socket.IO of our own: codec, connections, rooms, bus; and who may join which room."""
