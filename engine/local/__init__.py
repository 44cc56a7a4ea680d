"""The local provider: OpenAI's fine-tuning and chat protocol, served from this machine.

A process of its own (`python -m engine.local --folder FOLDER`); nothing imports it but what starts it.
"""
