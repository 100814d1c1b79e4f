"""What ``detplug`` runs for this plugin."""

COMMANDS = {
    'openset-split': ('plugins.openset.split', 'which images keep their labels, which count as unlabelled'),
    'add-unknown': ('plugins.openset.add_unknown', 'make a trained detector say "unknown"'),
}
