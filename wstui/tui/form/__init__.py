"""A scenario as a form: what can be edited, the texts that stand for it, and what they mean."""
