"""The AI SDK: its UI messages, and its data stream before."""
