"""Artifacts in an S3-compatible service: needs requirements/s3.txt. See `filestores.py`."""

from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from storages.backends.s3 import S3Storage
from storages.utils import clean_name


class S3(S3Storage):
    """With an end to every wait, in the thread that calls, and with reading from any place on."""

    def __init__(self, **options: Any) -> None:
        client = Config(
            connect_timeout=10,
            read_timeout=30,
            retries={"max_attempts": 3, "mode": "standard"},
            signature_version="s3v4",
            # Services of one's own seldom have a host name for each bucket.
            s3={"addressing_style": "path" if options.get("endpoint_url") else "auto"},
            # As old servers of this protocol understand it.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        super().__init__(
            client_config=client,
            transfer_config=TransferConfig(use_threads=False),
            file_overwrite=True,  # names are random: asking first would cost a request each
            **options,
        )

    def open_at(self, name: str, offset: int) -> Any:
        """The object's bytes from `offset` on, as they arrive: Django's own `open` would load all of it first."""
        stored = self.bucket.Object(self._normalize_name(clean_name(name)))
        return stored.get(Range=f"bytes={offset}-")["Body"] if offset else stored.get()["Body"]
