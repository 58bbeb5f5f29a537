"""The commands: each parses, calls one method, and prints. Every word the user reads is written here."""
