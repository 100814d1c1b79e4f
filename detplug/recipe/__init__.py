"""From data in any known format and the name of a model to a readable config, which trains like any other.

    splits.py       train, val and test of a data set, and what is made up where one is missing
    models.py       models by name, ours and those of plugins; options.py: what plugins add to the command
    settings.py     what the user chose; the numbers that follow from data and device
    python_text.py  values as the text of a config; base_text.py: parts of configs/_base_ to copy
    config_text.py  the config; model_text.py: its model; schedule_text.py: its schedule
    time_budget.py  seconds of a step and of a validation, measured, and the steps of so many minutes

A plugin adds to both tables with modules of its own (:mod:`detplug.entry_points`). Of these modules time_budget alone
imports torch.
"""
