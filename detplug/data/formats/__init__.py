"""Annotation formats of the field, read into one set of records and written from it; no torch."""
