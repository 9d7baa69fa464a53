"""Head phantoms: scans that are drawn, of nobody."""
