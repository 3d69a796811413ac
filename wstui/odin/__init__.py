"""The bundled target: the Odin WebSocket server, its publisher, its tokens, and a real NATS server.

It is independent of the load side; only the commands and tests import it.
"""
