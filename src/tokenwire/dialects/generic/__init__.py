"""Dialects of no vendor: event streams, plain SSE, JSON Lines, text, numbered tokens."""
