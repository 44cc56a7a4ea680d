"""understudy local and serve: the local provider, beside the studio or for another machine."""

from __future__ import annotations

import argparse
import os

from engine.cli.opening import local_provider
from engine.cli.output import emit, say
from engine.folders import private
from engine.providers import local_process


async def local(args: argparse.Namespace) -> int:
    folder = local_provider(args)
    if args.action == "stop":
        say("Stopped." if await local_process.stop(folder) else "It was not running.")
        return 0
    endpoint = await (local_process.start(folder) if args.action == "start" else local_process.find(folder))
    if args.json:
        emit(
            {
                "running": endpoint is not None,
                "folder": str(folder),
                "pid": endpoint.pid if endpoint else None,
            }
        )
    elif endpoint is None:
        say("Not running. It starts by itself when a training or a chat needs it.")
    else:
        say(f"Running as process {endpoint.pid}, files in {folder}.")
    return 0


def serve(args: argparse.Namespace, _screen: object) -> int:
    """The server itself, in this process and its main thread, until ctrl+c."""
    # The one place that loads the local provider: `serve` is the server.
    from engine.local.serve import Running, run

    folder = private(local_provider(args))
    chosen = "UNDERSTUDY_LOCAL_TOKEN" in os.environ

    def announce(running: Running) -> None:
        say(f"Serving at http://{args.host}:{running.port}/v1. ctrl+c stops.")
        token = "what UNDERSTUDY_LOCAL_TOKEN holds" if chosen else f'"token" in {folder / "server.json"}'
        say(f"A client needs the token: {token}.")

    run(folder, host=args.host, port=args.port, idle_seconds=float("inf"), announce=announce)
    say("Stopped.")
    return 0
