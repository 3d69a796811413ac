"""The bundled target: the Odin WebSocket server, its publisher, its tokens and the real NATS server behind.

It is a small system of its own. It knows nothing of the load side, and only the commands and tests know it.
"""
