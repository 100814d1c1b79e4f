"""Where plugins add ways to make a detector smaller: compressors, and selectors of how much each layer keeps."""
