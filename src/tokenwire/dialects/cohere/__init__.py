"""Cohere: both versions of its chat."""
