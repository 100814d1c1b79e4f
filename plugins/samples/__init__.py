"""Generators of the embedded sample data, deterministic by seed."""
