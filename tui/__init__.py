"""The studio's screen: only what a person sees.

Textual reads its animation level when it is imported, so it is set here, before any module below can
import it; what a slow line is spared besides is in tui/terminal.py.
"""

import os

os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
