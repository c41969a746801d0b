"""The tables, one noun a file. Who writes them: `events.py` the log, `lifecycle/` every status, `retention/` what
is left of old builds, `safe.py` secrets, the admin projects and tokens, `outbox/` what goes out.

Impossible states are refused by the database itself: see each model's constraints.
"""

from .artifact import Artifact
from .board import Board, new_world
from .build import Build, BuildQuerySet
from .cache import Cache
from .chain import After, FollowUp
from .changes import Changes
from .credential import DEPLOY_KEY, TOKEN, Credential
from .hook import OUTCOMES, Delivery, Hook, patterns
from .landmark import Annotation, LogGroup
from .log import Event, LogBlock
from .outwards import FORGES, TARGET_KINDS, Outgoing, Target
from .project import Project, ProjectQuerySet, address, validate_recipe
from .schedule import Schedule
from .sealed import SealedField
from .secret import Secret
from .shared import iso
from .step import Step
from .testcase import TestCase, TestReport
from .token import ALL_SCOPES, ApiToken
from .worker import Worker

__all__ = [
    "ALL_SCOPES",
    "DEPLOY_KEY",
    "TOKEN",
    "OUTCOMES",
    "After",
    "Annotation",
    "ApiToken",
    "Artifact",
    "Board",
    "Build",
    "BuildQuerySet",
    "Changes",
    "Credential",
    "FORGES",
    "Delivery",
    "Cache",
    "Event",
    "FollowUp",
    "Hook",
    "LogBlock",
    "LogGroup",
    "Outgoing",
    "Project",
    "ProjectQuerySet",
    "Schedule",
    "SealedField",
    "Secret",
    "Step",
    "TestCase",
    "TestReport",
    "TARGET_KINDS",
    "Target",
    "Worker",
    "address",
    "iso",
    "new_world",
    "patterns",
    "validate_recipe",
]
