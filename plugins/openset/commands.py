"""What ``detplug`` runs for this plugin."""

COMMANDS = {'openset-split': ('plugins.openset.split', 'which images keep their labels, which count as unlabelled')}
