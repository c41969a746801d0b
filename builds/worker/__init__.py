"""Takes builds and writes their log. Read it from the outside in.

supervisor.py   keeps N worker processes; watches leases; sweeps what the dead leave (leftovers.py;
                stranded.py: their containers)
loop.py         a worker process: take a build, run it, rest; told by orders.py when to end
runner.py       one build from its first step to its end: which step begins next: schedule.py; one step from its
                beginning to its end: course.py; one turn of the loop: turns.py; a step as the runner sees it, and what
                else may belong to it: running.py; why it ended: endings.py; its writes: storing.py, which hangs up
                on a database that does not answer: watchdog.py; what is printed during a write: readahead.py;
                whether its disk has room: disk.py
jobs.py         what runs for a step: processes, and work of the board's own beside the loop
isolation.py    where a step's processes run: in a sandbox (sandbox.py), in a container (containers.py, whose engine is
                engine.py's) or in neither, with what they may use (limits.py)
process.py      a step's processes, on a terminal of their own, under a guardian (guardian.py) that measures what they
                use (usage.py); how the first of them begins: enclosing.py, in a sandbox as its process 1: inside.py
steplog.py      numbers a step's lines and decides when they are stored
environment.py  what a step's processes find in their environment; workspace.py: the folder that they begin in, and
                ownworkspace.py: a copy of it for one step

programs/       what runs as a process of its own: the checkout of a repository, whom git asks for passwords, and what
                has a step's container made, started and removed.
                git.py runs git (complaints.py: why it failed); mirror.py keeps a copy of a repository; commits.py reads
                it; tree.py and submodules.py fill a workspace
"""
