"""The part of the editor that writes roles and their steps."""
