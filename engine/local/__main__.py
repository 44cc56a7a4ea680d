"""`python -m engine.local --folder FOLDER [--host H --port P [--certificate C --key K]]`: run the server."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from engine.errors import StudioError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m engine.local", description="Serve the local provider.")
    parser.add_argument("--folder", type=Path, required=True, help="where its files, jobs and models live")
    parser.add_argument("--host", help="serve TCP on this address instead of a Unix socket")
    parser.add_argument("--port", type=int, help="serve TCP on this port (0: any free one)")
    parser.add_argument("--certificate", type=Path, help="speak TLS with this certificate (PEM)")
    parser.add_argument("--key", type=Path, help="its private key (PEM)")
    asked = parser.parse_args()
    from engine.local.certificate import load
    from engine.local.serve import run

    try:
        certificate = load(asked.certificate, asked.key) if asked.certificate and asked.key else None
        run(asked.folder, host=asked.host, port=asked.port, certificate=certificate)
    except StudioError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"The folder {asked.folder} cannot be used: {error.strerror}.\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
