"""The search for the highest load that the target sustains."""
