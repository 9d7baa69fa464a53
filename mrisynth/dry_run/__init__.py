"""What a run will need of time, memory and disk, measured on a few of its steps."""
