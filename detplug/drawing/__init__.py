"""Boxes and labels drawn on pictures, alike in predictions, reports and review pages. Needs no torch."""
