"""Conversations: roles and steps, each client's as one coroutine that the worker resumes itself."""
