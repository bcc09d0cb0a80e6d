"""The command line: one file for each verb, each a thin coat over the Python function of its name."""

from .app import main as main
