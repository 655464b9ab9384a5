"""Pure rules: what may be asked, what an answer means, when to try again."""
