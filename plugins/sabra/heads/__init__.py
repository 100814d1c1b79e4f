"""Relation heads beside SABRA's (relation_head.py), and what a head is."""
