"""What tools/setup.py is made of. Standard library only: nothing is installed yet when it runs."""
