"""From a scan's files to a volume in a common form, and from a volume to slices."""
