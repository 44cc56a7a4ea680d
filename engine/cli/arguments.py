"""The command line's grammar. Commands load their rooms when they run, not when they are listed."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Awaitable, Callable
from typing import NoReturn

from engine import __version__, config

PATHS = frozenset({"studio", "paths", "out", "recipe", "file", "certificate", "key", "to"})
"""The arguments that name files."""


class Parser(argparse.ArgumentParser):
    """One sentence and a remedy instead of a usage dump. more: what the help ends with."""

    more: Callable[[], str] | None = None

    def format_help(self) -> str:
        return super().format_help() + (f"\n{self.more()}\n" if self.more else "")

    def error(self, message: str) -> NoReturn:
        sentence = message[:1].upper() + message[1:]
        self.exit(2, f"{sentence.rstrip('.')}. See `{self.prog} --help`.\n")


def _late(module: str, name: str) -> Callable[[argparse.Namespace], Awaitable[int]]:
    async def run(args: argparse.Namespace) -> int:
        function = getattr(importlib.import_module(f"engine.cli.{module}"), name)
        return await function(args)  # type: ignore[no-any-return]

    return run


def _alone(module: str, name: str) -> Callable[..., int]:
    """For commands that bring their own event loop: the screen, the demo, the server."""

    def run(args: argparse.Namespace, screen: object) -> int:
        function = getattr(importlib.import_module(f"engine.cli.{module}"), name)
        return function(args, screen)  # type: ignore[no-any-return]

    return run


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


_positive.__name__ = "whole number"


def _epochs(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 50:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 50")
    return value


_epochs.__name__ = "whole number"


def _seed(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**63:
        raise argparse.ArgumentTypeError("a seed is a whole number from 0 on, below 2 to the 63rd")
    return value


_seed.__name__ = "whole number"


def _between(low: float, high: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not between {low:g} and {high:g}")
        return value

    return number


def _options() -> str:
    from engine.config import starting_file  # only for the help

    return f"The file is {config.file()}.\n\n{starting_file.help_text()}"


def _everywhere(studio: str | None, json: bool | str) -> Parser:
    """Options that stand before or after the command; after it they must not undo what stood before."""
    common = Parser(add_help=False)
    common.add_argument("--studio", metavar="PATH", default=studio, help="the studio file")
    common.add_argument("--json", action="store_true", default=json, help="JSON Lines on standard output")
    return common


def parser() -> argparse.ArgumentParser:
    """The whole grammar; each command carries `run` (async) or `alone`, and whether it tells at its
    beginning what is wrong in the settings."""
    common = _everywhere(argparse.SUPPRESS, argparse.SUPPRESS)

    top = Parser(
        prog="understudy",
        description="Bring your own conversations, fine-tune a model on one person's voice, and talk to it.",
        epilog="Without a command the studio opens on the screen.",
        parents=[_everywhere(None, False)],
    )
    top.add_argument("--version", action="version", version=f"understudy {__version__}")
    top.set_defaults(run=None, alone=_alone("screen", "studio"), tells=False)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)

    def add(name: str, module: str, function: str, help_: str) -> Parser:
        command = commands.add_parser(name, help=help_, description=help_, parents=[common])
        command.set_defaults(run=_late(module, function), alone=None, tells=True)
        return command

    demo = commands.add_parser(
        "demo",
        parents=[common],
        help="try everything on the bundled samples, in a throw-away studio",
        description="The bundled sample chats in a throw-away studio, with the local provider. "
        "Without a terminal it runs as with --headless.",
    )
    demo.add_argument("--headless", action="store_true", help="the whole line of work without a screen")
    demo.set_defaults(run=None, alone=_alone("screen", "demo"), tells=False)

    command = add("import", "importing", "run", "read exports into the studio")
    command.add_argument("paths", nargs="+", metavar="PATH", help="a folder, a file or a zip")
    command.add_argument("--source", metavar="NAME", help="a name for this account (default: its family)")
    command.add_argument("--owner", metavar="NAME", help="the person whose export this is")
    command.add_argument("--loader", metavar="MODULE:CLASS", help="read it with this LangChain chat loader")
    command.add_argument("--contacts", metavar="PATH", help="iMessage: an address book to take names from")
    command.add_argument("--include-deleted", action="store_true", help="iMessage: recently deleted ones too")

    command = add("imports", "imported", "run", "list past imports, or print the report of one again")
    command.add_argument("number", nargs="?", type=_positive, metavar="NUMBER", help="which import")
    command.add_argument("--line", metavar="NAME", help="the rows behind this line of the report")

    command = add("forget", "forgetting", "forget", "delete a source with all that came only from it")
    command.add_argument("source", metavar="SOURCE", help="its name; `understudy conversations` shows it")
    command.add_argument("--yes", action="store_true", help="delete it unasked")

    command = add("conversations", "browsing", "conversations", "list conversations, or search all messages")
    command.add_argument("--search", metavar="TEXT", help="messages that contain these words")
    command.add_argument("--source", metavar="NAME", help="only this source")

    command.set_defaults(action=None)
    actions = command.add_subparsers(metavar="ACTION", parser_class=Parser)
    for name, help_ in (
        ("leave-out", "leave a conversation out of every dataset"),
        ("take-in", "take a conversation into the datasets again"),
    ):
        action = actions.add_parser(name, parents=[common], help=help_, description=help_)
        action.add_argument("conversation", metavar="CONVERSATION", help="its number or title")
        action.set_defaults(action=name)

    command = add("show", "browsing", "show", "print one conversation")
    command.add_argument("conversation", metavar="CONVERSATION", help="its number or title")
    command.add_argument("--around", type=_positive, metavar="MESSAGE", help="only lines around this one")

    command = add("senders", "senders", "senders", "list people; join and split them; leave them out")
    command.set_defaults(action=None)
    actions = command.add_subparsers(metavar="ACTION", parser_class=Parser)

    def on_people(name: str, help_: str, count: int | str, metavar: str | tuple[str, ...] = "NAME") -> Parser:
        action = actions.add_parser(name, parents=[common], help=help_, description=help_)
        if count:
            action.add_argument("names", nargs=count, metavar=metavar)
        action.set_defaults(action=name)
        return action

    on_people("join", "two names, one person: the first one's name stays", 2)
    on_people("split", "take all aliases of a person apart, or only some", "+", ("NAME", "ALIAS"))
    on_people("same", "who may be the same person", 0)
    on_people("different", "two people are not the same: never ask again", 2)
    on_people("ai", "choose the AI sender", 1)
    on_people("me", "say who you are in your exports", 1)
    for name, help_ in (
        ("leave-out", "leave a person out of every dataset"),
        ("take-in", "take a person into the datasets again"),
    ):
        action = on_people(name, help_, 1)
        action.add_argument("--in", dest="there", metavar="CONVERSATION", help="only in this conversation")

    def recipe_options(command: argparse.ArgumentParser) -> None:
        command.add_argument("--ai", metavar="NAME", help="whose messages the model shall learn")
        recipe = command.add_mutually_exclusive_group()
        recipe.add_argument("--preset", choices=["studio", "langchain"], help="built in (default: studio)")
        recipe.add_argument("--recipe", metavar="FILE", help="a recipe in TOML")

    command = add("chunks", "chunking", "chunks", "cut training chunks; write them as JSONL")
    recipe_options(command)
    command.add_argument("--out", metavar="FILE", help="write training chunks here, validation beside it")
    command.add_argument("--format", choices=["openai"], default="openai", help="default: openai")

    command = add("check", "chunking", "check", "check a training file as a service would")
    command.add_argument("file", metavar="FILE")
    command.add_argument("--for", dest="provider", metavar="PROVIDER", default="openai", help="whose rules")

    def provider_options(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--provider", metavar="NAME", help="local, openai, custom, ollama, ...: see `providers`"
        )
        command.add_argument(
            "--base-url", metavar="URL", help="where it answers, unless it is local or openai"
        )
        command.add_argument("--key-env", metavar="NAME", help="the variable that holds its key")

    command = add("train", "training", "train", "fine-tune a model on one person's messages")
    recipe_options(command)
    command.add_argument("--dataset", metavar="ID", help="train on a dataset that was made before")
    provider_options(command)
    command.add_argument("--base-model", metavar="MODEL", help="what to fine-tune: an id, or a folder")
    command.add_argument("--epochs", type=_epochs, metavar="N", help="1 to 50")
    command.add_argument("--batch-size", type=_positive, metavar="N")
    command.add_argument("--learning-rate", type=_between(0.0001, 100), metavar="X", help="times the default")
    command.add_argument(
        "--lora",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of an open base model's adapter: rank=32, alpha=64, dropout=0.1, ...",
    )
    command.add_argument("--suffix", default="", metavar="S", help="a name inside the model's id")
    command.add_argument("--seed", type=_seed, metavar="N")
    command.add_argument("--follow", action="store_true", help="stay until the job has ended")
    command.add_argument("--yes", action="store_true", help="agree to what is sent where, unasked")

    command = add("jobs", "training", "jobs", "list, follow and steer fine-tuning jobs")
    command.add_argument(
        "action",
        nargs="?",
        default="list",
        choices=["list", "show", "follow", "cancel", "pause", "resume", "checkpoints", "log"],
        help="log prints what the training process of a job on this machine wrote",
    )
    command.add_argument("job", nargs="?", metavar="JOB", help="its id, model or suffix")
    command.add_argument("--key-env", metavar="NAME", help="the variable that holds the key")

    command = add("models", "talking", "models", "list a provider's models, delete one there, or export one")
    command.add_argument(
        "action",
        nargs="?",
        default="list",
        choices=["list", "delete", "export"],
        help="export writes a model of this machine for vLLM, llama.cpp, Ollama or LM Studio, and says the "
        "lines that serve it",
    )
    command.add_argument("model", nargs="?", metavar="MODEL", help="the fine-tuned model, or its job")
    command.add_argument("--to", metavar="DIR", help="export: a new folder")
    command.add_argument(
        "--merged",
        action="store_true",
        help="export: the whole model, which all of them take; else the adapter alone",
    )
    command.add_argument("--yes", action="store_true", help="delete it unasked")
    provider_options(command)

    command = add("chat", "talking", "chat", "talk to a model; the reply streams to standard output")
    command.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="its id, or its job's suffix; default: the newest fine-tuned one",
    )
    provider_options(command)
    command.add_argument("-p", "--prompt", metavar="TEXT", help="one message, one reply")
    command.add_argument("--system", metavar="TEXT", help="default: as in its training")
    command.add_argument("--temperature", type=_between(0, 2), default=0.8, metavar="X")
    command.add_argument("--seed", type=_seed, metavar="N")

    command = add("providers", "talking", "providers", "list providers and what each can do now")

    command = add("local", "serving", "local", "the local provider: status, start, stop, disk")
    command.add_argument(
        "action",
        nargs="?",
        default="status",
        choices=["status", "start", "stop", "usage", "prune"],
        help="usage says what it takes on disk, prune removes what is not needed any more",
    )
    command.add_argument("--yes", action="store_true", help="prune unasked")

    command = add("config", "configuring", "config", "the settings in force and where each comes from")
    command.add_argument(
        "action",
        nargs="?",
        default="show",
        choices=["show", "init", "keys"],
        help="init writes a file to begin with, keys lists the actions that [keys] can move",
    )
    command.more = _options
    command.set_defaults(run=None, alone=_alone("configuring", "config_command"), tells=False)

    command = add("serve", "serving", "serve", "run the local provider for another machine")
    command.add_argument("--host", default="127.0.0.1", metavar="HOST")
    command.add_argument("--port", type=int, default=8040, metavar="PORT")
    command.add_argument("--certificate", metavar="FILE", help="speak TLS with this certificate (PEM)")
    command.add_argument("--key", metavar="FILE", help="its private key (PEM)")
    command.set_defaults(run=None, alone=_alone("serving", "serve"))
    return top
