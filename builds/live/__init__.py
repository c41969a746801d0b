"""The live wing: reads the log for everyone who watches. Nothing here writes.

frames.py    records → bytes of a stream, and back. Pure
reading.py   the few threads that read the database for this wing
sources.py   what a topic is: a build's log, or the board; pages of frames from the store
pages.py     slices of logs for viewers who are behind, each read once for all of them
tail.py      a topic's newest frames in memory, read and encoded once for all its viewers
viewer.py    one reader of a tail: its cursor, its bounds, and what it ends with
hub.py       per process: hears wakes, looks by itself, keeps tails, and asks again who may still see what
door.py      questions to the database that are answered together
opening.py   a request → who is it, may they, from which cursor
stream.py    the Server-Sent Events views
ballast.py   what a request holds that its stream does not need
poll.py      the same events as JSON, long poll
text.py      the whole log as text, part by part
logs.py      lines by number, and the views of the whole log as text
search.py    search in the whole log, a slice at a time
"""
