"""Run ``python -m evaluation.phantom_training``; see the module ``training``."""

from evaluation.phantom_training.training import main

main()
