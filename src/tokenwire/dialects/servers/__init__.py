"""Servers that people run themselves: Ollama, TGI, llama.cpp, SGLang, LM Studio."""
