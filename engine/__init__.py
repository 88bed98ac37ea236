"""What all places share. The front door of the engine: what stands here is all that `bots` may use."""

from engine.answer import Event, Finished, QueueView, Text, Waiting, Work
from engine.command import BuiltIn, usage
from engine.config import Secrets, read_config, read_environment, read_secrets
from engine.configschema import Config, DiscordConfig, Limits, SlackConfig
from engine.engine import Engine
from engine.errors import Fault, FileFaults, StoreFailed, UnderstudyError, UnknownCommand
from engine.message import Author, Delivery, Message, Platform, Scope
from engine.meter import Histogram, Outcome
from engine.skill import Example, Input, JsonValue, Memory, Skill
from engine.skillbook import Reload, Skillbook
from engine.skillfile import fault_of_name, skill_template
from engine.skillschema import skill_schema
from engine.store import Store
from engine.warmth import Warmth
from engine.wording import WRONG_ON_OUR_SIDE, cache_text, engine_line, sentence, size, waiting, work_line

__all__ = [
    "WRONG_ON_OUR_SIDE",
    "Author",
    "BuiltIn",
    "Config",
    "Delivery",
    "DiscordConfig",
    "Engine",
    "Event",
    "Example",
    "Fault",
    "FileFaults",
    "Finished",
    "Histogram",
    "Input",
    "JsonValue",
    "Limits",
    "Memory",
    "Message",
    "Outcome",
    "Platform",
    "QueueView",
    "Reload",
    "Scope",
    "Secrets",
    "Skill",
    "Skillbook",
    "SlackConfig",
    "Store",
    "StoreFailed",
    "Text",
    "UnderstudyError",
    "UnknownCommand",
    "Waiting",
    "Warmth",
    "Work",
    "cache_text",
    "engine_line",
    "fault_of_name",
    "read_config",
    "read_environment",
    "read_secrets",
    "sentence",
    "size",
    "skill_schema",
    "skill_template",
    "usage",
    "waiting",
    "work_line",
]
