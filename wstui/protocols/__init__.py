"""The protocols that servers speak on top of WebSocket: one file each, Sans-I/O, see `scenario.conversation.dialect`."""
