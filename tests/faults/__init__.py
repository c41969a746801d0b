"""The fault bench: a whole board of real servers, faults from a seed, and an oracle that compares afterwards.

    python -m tests.faults [--seed N | --seeds COUNT] [--short] [--markdown FILE]

Read it in this order.

    plan.py       a seed → what is built and what breaks, when. Pure
    recipes.py    builds whose output is known; printer.py: the program that prints it
    proxy.py      a TCP proxy of our own that cuts connections at random bytes
    layer.py      the channel layer, with wakes dropped, halved or doubled; settings.py: the board's, with that layer
    nginx.py      nginx in front: as deploy/nginx.conf has it, and one that buffers
    units.py      a process that is started again when it ends, as systemd would
    world.py      all of that together: PostgreSQL, Redis, two webs, three supervisors
    viewers.py    a viewer on a raw socket; crowd.py: fifty of them, in one thread
    pages.py      someone who asks for a page each second
    victims.py    who can be harmed, and what was done to them
    faults.py     carries the plan's faults out
    usage.py      what processes hold: threads, files, memory, connections, streams
    evidence.py   what is known afterwards: stored, printed, seen, harmed
    oracle.py     compares it. Pure
    run.py        one seed from its world to its verdict
    table.py      what all seeds come to, as text, JSON and a page
"""
