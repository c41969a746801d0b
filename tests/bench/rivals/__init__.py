"""The same job as people would do it otherwise: one log, many viewers over Server-Sent Events.

Each is a server with two addresses: `POST /publish`, one event for each line of the body, and `GET /events`, the stream
with all events from the beginning. What it costs is measured by `fanout.py` beside a board, in the same minutes.
"""
