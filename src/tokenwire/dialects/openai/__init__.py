"""OpenAI and the services that speak its dialects; accents and profiles are data."""
