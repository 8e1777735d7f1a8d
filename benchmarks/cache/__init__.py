"""The layered cache beside cashews and aiocache, and what it leaves to PostgreSQL of a lunch."""
