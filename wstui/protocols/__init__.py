"""The protocols that servers speak on top of WebSocket, a file each; `scenario.conversation.dialect` says how."""
