"""Run every command of the README, in order, as a newcomer would: `python3 .ci/readme.py README.md`.

Commands are the lines of fenced `sh` blocks; fences marked `sh no-ci` need a person's own files or keys and
are listed, not run. Each runs in the checkout; the first that fails ends the run with its exit code.
"""

import re
import subprocess
import sys
import time
from pathlib import Path


def main() -> int:
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    for fence, block in re.findall(r"^```(sh[^\n]*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for command in block.strip().splitlines():
            if fence.strip() != "sh":
                print(f"-- not run here: {command}", flush=True)
                continue
            print(f"-- {command}", flush=True)
            started = time.monotonic()
            done = subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, check=False)
            print(f"-- {time.monotonic() - started:.1f} s", flush=True)
            if done.returncode:
                return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
