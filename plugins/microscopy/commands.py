"""What ``detplug`` runs for this plugin."""

COMMANDS = {
    'review': ('plugins.microscopy.review.command', 'look at the boxes of a prediction in the browser, correct them'),
}
