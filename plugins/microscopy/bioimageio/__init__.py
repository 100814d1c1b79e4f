"""Packages for the BioImage Model Zoo: ``export --format bioimageio``."""
