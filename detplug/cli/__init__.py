"""Command lines: argument parsing and one-line errors, shared by tools/ and the ``detplug`` command."""
