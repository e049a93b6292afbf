"""Trains, runs, judges, explains, tunes, compares and packages Gristmill's models, one command a process.

The server starts each command in a sandbox of its own; README.md beside this package gives the files that go in and
come out. Estimators are scikit-learn's, LightGBM's and XGBoost's own: they are wrapped here and never rewritten.
"""

__version__ = "0.1.0"
