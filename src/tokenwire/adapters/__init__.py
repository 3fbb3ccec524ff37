"""One module for each HTTP client: an open response in, events out.

Import the one you need, ``tokenwire.adapters.httpx`` for example; each imports its own client.
``tokenwire.adapters.redis`` keeps circuits for many processes.
"""
