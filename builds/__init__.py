"""Builds: what is built, its log, and everyone who writes or watches it. **Wings around one table.**

Workers only *write* the event log; the live wing only *reads* it, from a cursor; Channels between them says nothing
but "look again". The files directly in this folder are floors: each imports only what stands above it. Read them in
this order.

    states.py      statuses of builds and steps, and what may become what
    inputs.py      typed parameters of a recipe, given at the start of a build
    source.py      what a build is made of, and what started it
    recipe/        YAML → Recipe, with errors that name the line
    hooks/         webhooks: what a forge delivers, from the headers to the build that it asks for
    repository.py  what the address of a repository may be, a ref, and what a page links to
    progress.py    how far, and how long still: arithmetic on step durations
    gauges.py      what a process counts about its streams, for /metrics
    labels.py      what a worker has and what a build needs: words
    cron.py        times in the notation of cron, in a time zone
    vault.py       secrets at rest: sealed and unsealed
    wakes.py       topics; wake() and listen(): the doorbell, and the only file that imports channels
    models/        the tables, with the constraints that refuse impossible states
    plans.py       the steps of a build, before and after its commit is checked out
    rotation.py    all that is stored sealed: sealed anew with the newest key
    safe.py        secrets of projects: put in, listed by name, handed to the steps that may have them
    logbytes.py    rows of a log as they are stored: nothing is read as often
    blocks.py      what the log of a build that is long over has become: compressed lines
    blocktext.py   of blocks: text as it is, a few lines, times
    cuts.py        what stands in a log for a stretch of it that is not kept
    landmarks.py   groups and annotations: what output says about itself
    logrows.py     chunks of a log as rows: nothing is written as often
    telling.py     events as readers get them: compact JSON, made of rows
    events.py      the log: gapless numbers, fenced by the lease; its only reader and writer
    junit.py       test reports in JUnit's XML
    testcases.py   the tests of builds, and which of them are flaky
    filestore.py   files by random names, in a folder or in S3
    artifacts.py   files that steps leave behind
    caches.py      files that builds leave for later ones
    printed.py     the lines of a step by their numbers, whatever has become of the log
    lookout.py     finds the groups and annotations in what the steps of a build print
    loglimit.py    how much of a build's log is kept: its head, and its tail
    silences.py    when a build said nothing, and for how long
    beats.py       workers' signs of life: which of them live
    queue.py       which build a worker takes next, and what each of the others waits for
    outbox/        messages about builds to those outside: written with what they tell of, sent later
    lifecycle/     enqueue, claim, finish, lose, cancel …: the only writer of a status
    deliveries.py  what webhooks deliver, and what became of it
    schedules.py   starts what is due by a schedule, each time once
    chains.py      one project after another
    runs.py        builds that run elsewhere: what a program there tells, as a worker would
    worlds.py      a new world for a database that was restored from a backup
    retention/     compacts logs of builds that are over, and prunes old ones
    uploads.py     artifacts of builds that run elsewhere, piece by piece
    leases.py      finds builds whose worker gives no sign of life any more
    access.py      who is asking, and what they may do and see
    search/        finds lines in the whole log of a build, a slice at a time

On them stand three wings that never import each other; `urls.py` ties views to paths:

    worker/        supervisor → loop → runner → process: takes builds, runs steps, writes the log
    live/          hub → tail → stream, poll: reads the log, for everyone who watches
    web/           pages, forms, the API: the outside world

`admin/`, `checks.py` and `management/commands/` are doors, like `web/`. `tests/test_floors.py` reads the imports of
every file and holds all of this.
"""
