"""Together AI's text-to-speech API on your own machine, with a real voice.

Run it as a program, ``python -m together_emulator``, and point any client of the API at the URL
that it prints.
"""
