"""Sockets beside Node's socket.io, by the same clients."""
