"""Replies of Hugging Face models: one process for each loaded base model, its adapters on top of it.

The server's side is `hosts` and `host`; the rest runs in the process (`python -m engine.local.generation`),
the only place where torch or mlx is loaded to answer.
"""
