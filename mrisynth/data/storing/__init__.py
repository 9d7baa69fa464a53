"""What a prepared data set holds, how it lies on disk, and how it is read in batches."""
