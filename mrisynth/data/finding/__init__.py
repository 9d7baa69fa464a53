"""Which scans there are below folders, whose they are, and what belongs together."""
