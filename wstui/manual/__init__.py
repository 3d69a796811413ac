"""The manual: Markdown pages, and reference sections made from the code when a page is read."""
