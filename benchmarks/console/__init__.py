"""The counter's console in a browser: what it weighs, how soon it can be used, how it looks."""
