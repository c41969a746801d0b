"""Tells those outside: takes messages from the outbox, and sends each as its target wants to have it.

    exchange.py    one HTTP request and its answer, within bounds, to nobody that it must not reach
    outcome.py     what an answer comes to: it is sent, it is tried again, or it is given up
    wording.py     what is said of a build, in words
    forges.py      webhook.py   slack.py   matrix.py   letter.py      one kind of target each
    delivery.py    one message → its kind → what came of it
    sender.py      claims messages, a thread for each that is on its way, and writes down what came of them

No transaction is open while something is sent, and only the sender's own thread asks the database.
"""
