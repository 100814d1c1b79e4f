"""Frames of the class that an open-set detector adds: black and white dashes, as no known class has."""

DASHED = {'unknown': (0, 0, 0)}
