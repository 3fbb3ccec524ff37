"""Anthropic: messages, and the completions before them."""
