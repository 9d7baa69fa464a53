"""From folders of scans to a prepared data set."""
