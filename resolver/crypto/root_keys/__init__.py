"""Where root keys come from: files, the environment, commands, and a transit engine."""
