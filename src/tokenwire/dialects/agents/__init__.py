"""Agents and their protocols: A2A, AG-UI, MCP, LangGraph, Dify, Coze, assistant-ui."""
