"""``from detplug import Detector``: train, test, predict and export in Python, in a program or a notebook."""
