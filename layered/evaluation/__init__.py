"""What a model costs and what it draws, measured: ``python -m layered.evaluation``."""
