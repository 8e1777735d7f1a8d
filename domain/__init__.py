"""The cafeteria: its rules and its data. It serves no HTTP, and knows no pictures and no CDN."""
