"""understudy local and serve: the local provider, beside the studio or for another machine."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from engine.cli.opening import local_provider
from engine.cli.output import emit, say
from engine.errors import StudioError
from engine.folders import private
from engine.providers import local_process


async def local(args: argparse.Namespace) -> int:
    folder = local_provider(args)
    if args.action in ("usage", "prune"):
        from engine.cli import disk

        return await (disk.show if args.action == "usage" else disk.prune)(args)
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
    from engine.local.certificate import load
    from engine.local.guard import is_loopback
    from engine.local.serve import Running, run

    if bool(args.certificate) != bool(args.key):
        raise StudioError("TLS takes two files.", "Give both --certificate and --key.")
    certificate = load(Path(args.certificate), Path(args.key)) if args.certificate else None
    folder = private(local_provider(args))
    chosen = "UNDERSTUDY_LOCAL_TOKEN" in os.environ

    def announce(running: Running) -> None:
        host = f"[{args.host}]" if ":" in args.host else args.host
        say(f"Serving at {'https' if certificate else 'http'}://{host}:{running.port}/v1. ctrl+c stops.")
        if certificate:
            say(f"The certificate is good for {', '.join(sorted(certificate.names)) or 'no name at all'}.")
        elif not is_loopback(args.host):
            say(
                "The way here is not encrypted: others on the network can read the token and all messages. "
                "Give --certificate and --key, or serve on localhost and use an SSH tunnel."
            )
        token = "what UNDERSTUDY_LOCAL_TOKEN holds" if chosen else f'"token" in {folder / "server.json"}'
        say(f"A client needs the token: {token}.")

    run(
        folder,
        host=args.host,
        port=args.port,
        certificate=certificate,
        idle_seconds=float("inf"),
        announce=announce,
    )
    say("Stopped.")
    return 0
