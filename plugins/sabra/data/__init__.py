"""Data sets of relations: one format on disk, one reader, one data set; official downloads are converted to it."""
