"""Pictures before a detector sees them: sources, reading, tiles. numpy and OpenCV; never torch."""
