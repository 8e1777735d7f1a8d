"""The cafeteria: its rules and its data, with no HTTP, no pictures and no CDN."""
