"""What setup.cfg cannot say: the packages that are found there, and one more whose folder is configs/."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=['detplug*', 'plugins*']), 'detplug.configs'])
