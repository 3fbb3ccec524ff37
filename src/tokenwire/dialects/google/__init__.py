"""Google: Gemini in two formats, and Interactions."""
