"""How bytes move: connections, time limits, proxies, TLS.

What knows of httpx and httpcore stands here, and stands on their public names.
"""
