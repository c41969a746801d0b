"""Writes messages, in the transaction of what they tell of."""

from ..models import Build, Outgoing, Target
from . import facts, keys, rules


def tell(build: Build) -> None:
    """Write what is to be said of the status that `build` has just got, or of the commit that it has since.

    In the transaction that holds its row, so that messages of one build are numbered as it happened. Called again for
    the same status it adds only what could not be said before.
    """
    targets = list(Target.objects.filter(project_id=build.project_id, enabled=True).order_by("pk"))
    targets = [target for target in targets if _is_about(target, build)]
    if not targets:
        return
    payload, world = facts.of(build), keys.world()
    Outgoing.objects.bulk_create(
        [
            Outgoing(
                target=target,
                build=build,
                what=build.status,
                key=keys.of_status(world, target, build.pk, build.status),
                slot=build.commit if target.is_forge else "",
                payload=payload,
            )
            for target in targets
            if target.is_forge or rules.wants(target.tells, build.status, payload["change"])
        ],
        ignore_conflicts=True,
    )


def test(target: Target) -> Outgoing:
    """A message that says only that it arrives; sent also where the target is switched off."""
    payload = facts.of_test(target.project)
    return Outgoing.objects.create(target=target, what="test", key=keys.of_test(target), payload=payload)


def _is_about(target: Target, build: Build) -> bool:
    if target.is_forge and not build.commit:
        return False  # it is told when the commit is known
    if target.is_forge and build.outside:
        return False  # commit and result are its program's word alone: who may start builds is not to pass any commit
    if build.pull_request is not None and not (target.pull_requests or target.is_forge):
        return False
    return rules.matches(target.branches, facts.branch(build))
