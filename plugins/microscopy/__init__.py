"""What a microscopist does with detections: look at the doubtful ones, correct them, train again."""
