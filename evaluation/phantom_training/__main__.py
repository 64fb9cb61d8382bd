"""``python -m evaluation.phantom_training``: see ``training``."""

from evaluation.phantom_training.training import main

main()
