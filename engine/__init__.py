"""What all places share. The front door of the engine: what stands here is all that `bots` may use."""

from engine.answer import Event, Finished, QueueView, Text, Waiting
from engine.command import BuiltIn, usage
from engine.config import Secrets, read_config, read_environment, read_secrets
from engine.configschema import Config, DiscordConfig, Limits, SlackConfig
from engine.engine import Engine
from engine.errors import Fault, FileFaults, StoreFailed, UnderstudyError, UnknownCommand
from engine.message import Author, Delivery, Message, Platform, Scope
from engine.skill import Example, Input, JsonValue, Memory, Skill
from engine.skillbook import Reload, Skillbook
from engine.skillfile import fault_of_name, skill_template
from engine.skillschema import skill_schema
from engine.store import Store
from engine.wording import WRONG_ON_OUR_SIDE, sentence, waiting

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
    "Input",
    "JsonValue",
    "Limits",
    "Memory",
    "Message",
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
    "fault_of_name",
    "read_config",
    "read_environment",
    "read_secrets",
    "sentence",
    "skill_schema",
    "skill_template",
    "usage",
    "waiting",
]
