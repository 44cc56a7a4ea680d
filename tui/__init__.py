"""The studio's screen: only what a person sees.

Textual reads its frame rate and animation level when it is imported, so the settings for a slow
line are made here, before any module below can import it.
"""

import os

if os.environ.get("SSH_CONNECTION"):
    os.environ.setdefault("TEXTUAL_FPS", "15")
os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
