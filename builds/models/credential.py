"""What opens a repository that is not everybody's: a token for https, or a deploy key for ssh."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from .. import vault
from ..repository import RepositoryError, parse_scope
from .sealed import SealedField
from .shared import SaysWhatIsTaken, rule

TOKEN, DEPLOY_KEY = "token", "key"
KINDS = ((TOKEN, "Token or password, for https"), (DEPLOY_KEY, "Deploy key, for ssh"))


def validate_scope(text: str) -> None:
    try:
        parse_scope(text)
    except RepositoryError as error:
        raise ValidationError(f"{str(error)[0].upper()}{str(error)[1:]}.") from error


class Credential(SaysWhatIsTaken, models.Model):
    """Its secret is stored sealed, and shown nowhere any more once it was given."""

    taken = "There is a credential of that name already."

    name = models.CharField(max_length=100, unique=True, help_text="What people call it.")
    kind = models.CharField(max_length=10, choices=KINDS, default=TOKEN)
    scope = models.CharField(
        "for addresses below",
        max_length=300,
        validators=[validate_scope],
        help_text="It is sent nowhere else, whatever a project's repository or its submodules are. "
        "Such as https://git.example/team/ or git@git.example:team/",
    )
    username = models.CharField(
        max_length=200,
        blank=True,
        help_text="Of a token, where the server wants a certain one: that of a GitLab deploy token, for instance.",
    )
    sealed = SealedField()
    public_key = models.TextField(editable=False, blank=True)
    """Of a deploy key: what the server has to be told."""
    known_hosts = models.TextField(
        blank=True,
        help_text="Of a deploy key: the server's host keys, as `ssh-keyscan` prints them. "
        "Empty: the key that is met first is believed, and no other from then on.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            rule("credential_name", ~Q(name="")),
            rule("credential_kind", Q(kind__in=[TOKEN, DEPLOY_KEY])),
            rule("credential_sealed", ~Q(sealed="")),
            rule("credential_public_key", Q(kind=DEPLOY_KEY) | Q(public_key="")),
        ]

    def __str__(self) -> str:
        return self.name

    def keep(self, secret: str) -> None:
        """Seal `secret`; saving is the caller's."""
        self.sealed = vault.seal(secret)

    def secret(self) -> str:
        """For the checkout alone. `vault.Unreadable`."""
        return vault.unseal(self.sealed)

    def clean(self) -> None:
        """A kind of credential is for a kind of address."""
        try:
            scheme = parse_scope(self.scope).scheme
        except RepositoryError:
            return  # said at its field
        if (scheme == "ssh") != (self.kind == DEPLOY_KEY):
            wanted = "git@host:team/ or ssh://host/" if self.kind == DEPLOY_KEY else "https://host/team/"
            raise ValidationError({"scope": f"Expected addresses that this kind is for, such as {wanted}"})
