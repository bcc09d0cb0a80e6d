"""The command line: one file for each verb, a thin coat over the Python function of its name."""

from .app import main as main
