"""What ``detplug`` runs for this plugin."""

COMMANDS = {
    'count': (
        'plugins.microscopy.counting.command',
        'objects a slide or patient with intervals, from results of predict',
    ),
    'inspect': ('plugins.microscopy.inspection.command', 'what is wrong with a data set'),
    'review': ('plugins.microscopy.review.command', 'look at the boxes of a prediction in the browser, correct them'),
}
