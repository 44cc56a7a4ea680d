"""Reading an export in processes of its own. Imports nothing: a process starts the sooner."""
