"""The places where people talk: Slack, Discord, a terminal. Knows platforms and text; never prompts, tokens or SQL."""

from importlib.metadata import version

__version__ = version("understudy")
