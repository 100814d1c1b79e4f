"""From detections to counts of a slide or patient, with intervals. numpy only, no torch."""
