"""Drawn scenes of persons and objects whose verbs follow from the geometry."""
