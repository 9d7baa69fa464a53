"""What a run will need of time, memory and disk, measured by a few of its steps."""
