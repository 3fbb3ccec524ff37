"""Clouds with dialects of their own: DashScope, watsonx, Workers AI, Replicate."""
