"""Seeds in, images out: from a run or from an export, by one convention."""
