"""From a recorded session to a scenario: recordings, their readers, guesses, and their proof."""
