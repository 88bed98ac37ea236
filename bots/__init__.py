"""The places where people talk: Slack, Discord, a terminal. Knows platforms and text; never prompts, tokens or SQL."""

import os
from importlib.metadata import version

__version__ = version("understudy")

# Before numpy is imported. Its threads wait awake for each other; what is learned from examples is small, and the cores are the
# model's: with one thread it is there in half the time, on busy cores in a tenth.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
