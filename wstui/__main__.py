"""`python -m wstui` is the command `wstui`."""

from wstui.cli import main

main()
