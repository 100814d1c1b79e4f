"""``detplug evaluate-relations``: the figures of published protocols for the result files of any code; needs no torch.

- :mod:`.truth` and :mod:`.graph_truth` read annotations, :mod:`.predictions` and the modules that it names results.
- :mod:`.diagnosis` says what the errors are and what each kind costs.
- The figures are those of :mod:`..metrics`, which training and test use too.
"""
