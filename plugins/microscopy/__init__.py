"""What a microscopist does: inspect the data, count, look at the doubtful boxes, correct them, train again."""
