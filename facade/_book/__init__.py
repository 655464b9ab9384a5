"""Long texts: reading them, splitting them, and joining what was spoken."""
