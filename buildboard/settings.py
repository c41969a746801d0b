"""All settings, from the environment only. README lists them; a wrong value is refused at start by name."""

import secrets
from base64 import urlsafe_b64encode
from pathlib import Path

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from builds import labels

from . import databases, filestores, outside, private
from .environment import Environment, refused
from .logs import LOGGING  # noqa: F401 - a setting

BASE_DIR = Path(__file__).resolve().parent.parent
_env = Environment()

# --- The board's own -----------------------------------------------------------------------------------------------

BUILDBOARD_DATA = _env.folder("BUILDBOARD_DATA", BASE_DIR / "var")
BUILDBOARD_WORKERS = _env.number("BUILDBOARD_WORKERS", 2, least=0, most=256)
BUILDBOARD_PUBLIC = bool(_env.flag("BUILDBOARD_PUBLIC", False))
BUILDBOARD_ADMIN_PASSWORD = _env.text("BUILDBOARD_ADMIN_PASSWORD")
BUILDBOARD_LEASE_SECONDS = _env.number("BUILDBOARD_LEASE_SECONDS", 15, least=3, most=3600)
BUILDBOARD_OUTSIDE_LEASE_SECONDS = _env.number("BUILDBOARD_OUTSIDE_LEASE_SECONDS", 120, least=3, most=86_400)
BUILDBOARD_GRACE_SECONDS = _env.number("BUILDBOARD_GRACE_SECONDS", 10, least=0, most=600)
BUILDBOARD_STREAMS_PER_USER = _env.number("BUILDBOARD_STREAMS_PER_USER", 1_000, least=1)
BUILDBOARD_STREAMS_PER_PROCESS = _env.number("BUILDBOARD_STREAMS_PER_PROCESS", 5_000, least=1)
BUILDBOARD_API_RATE = _env.number("BUILDBOARD_API_RATE", 1_200, least=0, most=1_000_000)
BUILDBOARD_RECHECK_SECONDS = _env.number("BUILDBOARD_RECHECK_SECONDS", 10, least=1, most=3600)
BUILDBOARD_LABELS = _env.text("BUILDBOARD_LABELS")
BUILDBOARD_DRAIN_SECONDS = _env.number("BUILDBOARD_DRAIN_SECONDS", 0, least=0, most=7 * 86_400)
BUILDBOARD_SCHEDULE_LATE_MINUTES = _env.number("BUILDBOARD_SCHEDULE_LATE_MINUTES", 60, least=0, most=10_080)
BUILDBOARD_OUTAGE_SECONDS = _env.number("BUILDBOARD_OUTAGE_SECONDS", 300, least=60, most=86_400)

try:
    labels.parse(BUILDBOARD_LABELS)
except labels.LabelError:
    _expected = f"at most {labels.MAX_LABELS} {labels.EXPECTED}"
    raise refused("BUILDBOARD_LABELS", BUILDBOARD_LABELS, _expected) from None

# Bounds: where something is cut, it says so. docs/settings.md tells what becomes of what is beyond.
BUILDBOARD_MAX_RUNNING = _env.number("BUILDBOARD_MAX_RUNNING", 0, least=0, most=100_000)
BUILDBOARD_MAX_QUEUED = _env.number("BUILDBOARD_MAX_QUEUED", 10_000, least=1, most=1_000_000)
BUILDBOARD_MAX_BUILD_SECONDS = _env.number("BUILDBOARD_MAX_BUILD_SECONDS", 86_400, least=1, most=30 * 86_400)
BUILDBOARD_MAX_STEPS = _env.number("BUILDBOARD_MAX_STEPS", 200, least=1, most=10_000)
BUILDBOARD_MAX_PARALLEL_STEPS = _env.number("BUILDBOARD_MAX_PARALLEL_STEPS", 4, least=1, most=1_000)
BUILDBOARD_MAX_RECIPE_KB = _env.number("BUILDBOARD_MAX_RECIPE_KB", 256, least=1, most=10_240)
BUILDBOARD_MAX_BODY_KB = _env.number("BUILDBOARD_MAX_BODY_KB", 256, least=16, most=102_400)
BUILDBOARD_MAX_HOOK_KB = _env.number("BUILDBOARD_MAX_HOOK_KB", 5_120, least=16, most=102_400)
BUILDBOARD_MAX_LINE_KB = _env.number("BUILDBOARD_MAX_LINE_KB", 16, least=1, most=1_024)
BUILDBOARD_MAX_LOG_MB = _env.number("BUILDBOARD_MAX_LOG_MB", 512, least=1, most=1_000_000)
BUILDBOARD_MIN_FREE_MB = _env.number("BUILDBOARD_MIN_FREE_MB", 200, least=0, most=10_000_000)
BUILDBOARD_MAX_STREAM_MB = _env.number("BUILDBOARD_MAX_STREAM_MB", 1_024, least=1, most=1_000_000)
BUILDBOARD_MAX_STREAM_SECONDS = _env.number("BUILDBOARD_MAX_STREAM_SECONDS", 600, least=5, most=86_400)
BUILDBOARD_TAIL_KB = _env.number("BUILDBOARD_TAIL_KB", 4_096, least=64, most=1_048_576)

# Repositories.
BUILDBOARD_LOCAL_REPOSITORIES = _env.folders("BUILDBOARD_LOCAL_REPOSITORIES")
BUILDBOARD_HTTP_HOSTS = _env.hosts("BUILDBOARD_HTTP_HOSTS")
BUILDBOARD_CHECKOUT_SECONDS = _env.number("BUILDBOARD_CHECKOUT_SECONDS", 1_800, least=5, most=86_400)
BUILDBOARD_CHECKOUT_SILENCE_SECONDS = _env.number("BUILDBOARD_CHECKOUT_SILENCE_SECONDS", 120, least=1, most=86_400)

# Artifacts, and where they are.
BUILDBOARD_MAX_ARTIFACT_MB = _env.number("BUILDBOARD_MAX_ARTIFACT_MB", 1_024, least=1, most=1_000_000)
BUILDBOARD_MAX_ARTIFACTS = _env.number("BUILDBOARD_MAX_ARTIFACTS", 1_000, least=0, most=100_000)
BUILDBOARD_MAX_BUILD_ARTIFACTS_MB = _env.number("BUILDBOARD_MAX_BUILD_ARTIFACTS_MB", 4_096, least=1, most=1_000_000)
BUILDBOARD_MAX_CACHE_MB = _env.number("BUILDBOARD_MAX_CACHE_MB", 2_048, least=1, most=1_000_000)
BUILDBOARD_MAX_PROJECT_CACHE_MB = _env.number("BUILDBOARD_MAX_PROJECT_CACHE_MB", 10_240, least=1, most=10_000_000)
BUILDBOARD_STORAGE = _env.text("BUILDBOARD_STORAGE")
BUILDBOARD_S3_ENDPOINT = _env.text("BUILDBOARD_S3_ENDPOINT")
BUILDBOARD_S3_REGION = _env.text("BUILDBOARD_S3_REGION")
BUILDBOARD_S3_ACCESS_KEY = _env.text("BUILDBOARD_S3_ACCESS_KEY")
BUILDBOARD_S3_SECRET_KEY = _env.text("BUILDBOARD_S3_SECRET_KEY")

# What steps may see and use of the machine that runs them.
BUILDBOARD_SANDBOX = _env.choice("BUILDBOARD_SANDBOX", "none", ("none", "bubblewrap", "container"))
BUILDBOARD_SANDBOX_READABLE = _env.folders("BUILDBOARD_SANDBOX_READABLE") or [str(BASE_DIR)]
BUILDBOARD_CONTAINER_ENGINE = _env.program("BUILDBOARD_CONTAINER_ENGINE", ("podman", "docker"))
BUILDBOARD_CONTAINER_IMAGE = _env.image("BUILDBOARD_CONTAINER_IMAGE")
BUILDBOARD_CONTAINER_IMAGES = _env.items("BUILDBOARD_CONTAINER_IMAGES") or ["*"]
BUILDBOARD_CONTAINER_OPTIONS = _env.words("BUILDBOARD_CONTAINER_OPTIONS")
BUILDBOARD_MAX_STEP_MEMORY_MB = _env.number("BUILDBOARD_MAX_STEP_MEMORY_MB", 0, least=0, most=100_000_000)
BUILDBOARD_MAX_STEP_TASKS = _env.number("BUILDBOARD_MAX_STEP_TASKS", 0, least=0, most=4_000_000)
BUILDBOARD_MAX_FILE_MB = _env.number("BUILDBOARD_MAX_FILE_MB", 0, least=0, most=100_000_000)
BUILDBOARD_MAX_WORKSPACE_MB = _env.number("BUILDBOARD_MAX_WORKSPACE_MB", 0, least=0, most=1_000_000_000)
BUILDBOARD_MAX_OPEN_FILES = _env.number("BUILDBOARD_MAX_OPEN_FILES", 0, least=0, most=1_000_000)

# Retention.
BUILDBOARD_COMPACT_HOURS = _env.number("BUILDBOARD_COMPACT_HOURS", 24, least=0, most=100_000)
BUILDBOARD_KEEP_DAYS = _env.number("BUILDBOARD_KEEP_DAYS", 90, least=0, most=100_000)
BUILDBOARD_KEEP_BUILDS = _env.number("BUILDBOARD_KEEP_BUILDS", 1_000, least=0)
BUILDBOARD_KEEP_LEAST = _env.number("BUILDBOARD_KEEP_LEAST", 10, least=0)
BUILDBOARD_KEEP_ARTIFACT_DAYS = _env.number("BUILDBOARD_KEEP_ARTIFACT_DAYS", 0, least=0, most=100_000)
BUILDBOARD_KEEP_DELIVERIES = _env.number("BUILDBOARD_KEEP_DELIVERIES", 500, least=10, most=100_000)
BUILDBOARD_PRUNE_MINUTES = _env.number("BUILDBOARD_PRUNE_MINUTES", 60, least=0, most=100_000)
PORT = _env.number("PORT", 8000, least=1, most=65535)

# --- Who reaches it ------------------------------------------------------------------------------------------------

_debug = _env.flag("DEBUG", None)
DEBUG = bool(_debug)
_hosts = _env.hosts("ALLOWED_HOSTS")
ALLOWED_HOSTS = _hosts or ["localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = _env.items("CSRF_TRUSTED_ORIGINS")
for _origin in CSRF_TRUSTED_ORIGINS:
    if not _origin.startswith(("http://", "https://")):
        raise refused("CSRF_TRUSTED_ORIGINS", _origin, "origins with their scheme, such as https://board.example")


def _secret_key() -> str:
    """The key of the environment, else the one kept in the data folder.

    It is made there only for a board that serves this machine alone, or with DEBUG on: several machines need the
    same key, and have to be given it.
    """
    given = _env.text("SECRET_KEY")
    if given:
        return given
    kept = BUILDBOARD_DATA / "secret-key"
    if kept.exists():
        private.narrow(kept)
        return kept.read_text().strip()
    if _debug is False or (_hosts and not _debug):
        raise ImproperlyConfigured(
            "SECRET_KEY is not set: expected a long random text, the same on every machine of this board. "
            "(One is generated into the data folder only where DEBUG is on, or where the board serves this machine "
            "alone: no ALLOWED_HOSTS, no DEBUG=0.)"
        )
    BUILDBOARD_DATA.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = BUILDBOARD_DATA / f".secret-key.{secrets.token_hex(4)}"
    made.touch(mode=0o600)
    made.write_text(secrets.token_urlsafe(50) + "\n")
    try:
        kept.hardlink_to(made)  # two processes that start at once agree on one key
    except FileExistsError:
        pass
    finally:
        made.unlink()
    return kept.read_text().strip()


try:
    SECRET_KEY = _secret_key()
except OSError as _error:
    raise ImproperlyConfigured(f"BUILDBOARD_DATA={str(BUILDBOARD_DATA)!r}: cannot be written: {_error}.") from _error
SECRET_KEY_FALLBACKS = _env.items("SECRET_KEY_FALLBACKS")


def _secrets_keys() -> list[str]:
    """The newest first: it seals, all of them unseal. The last ones follow from SECRET_KEY, so that a board which was
    given no others has them, and one that is given some later still reads what it has."""
    given = _env.items("BUILDBOARD_SECRETS_KEYS")
    for key in given:
        try:
            Fernet(key)
        except ValueError as error:
            what = "Fernet keys (32 random bytes in URL-safe base64), separated by commas, the newest first"
            raise refused("BUILDBOARD_SECRETS_KEYS", "", what) from error  # not shown: it may be nearly one
    derived = [
        urlsafe_b64encode(HKDF(SHA256(), 32, None, b"buildboard secrets").derive(key.encode())).decode()
        for key in (SECRET_KEY, *SECRET_KEY_FALLBACKS)
    ]
    return [*given, *derived]


BUILDBOARD_SECRETS_KEYS = _secrets_keys()

# --- To those outside: builds/outbox -------------------------------------------------------------------------------

BUILDBOARD_URL = outside.board_url(_env.text("BUILDBOARD_URL"), CSRF_TRUSTED_ORIGINS)
BUILDBOARD_OUTBOX_SENDERS = _env.number("BUILDBOARD_OUTBOX_SENDERS", 8, least=1, most=64)
BUILDBOARD_OUTBOX_TRIES = _env.number("BUILDBOARD_OUTBOX_TRIES", 15, least=1, most=100)
BUILDBOARD_OUTBOX_TIMEOUT_SECONDS = _env.number("BUILDBOARD_OUTBOX_TIMEOUT_SECONDS", 10, least=1, most=60)
BUILDBOARD_OUTBOX_KEEP_DAYS = _env.number("BUILDBOARD_OUTBOX_KEEP_DAYS", 30, least=1, most=100_000)
BUILDBOARD_OUTBOX_ALLOW_PRIVATE = outside.networks(_env.items("BUILDBOARD_OUTBOX_ALLOW_PRIVATE"))
_mail = outside.mail(_env.text("EMAIL_URL"))
EMAIL_HOST, EMAIL_PORT, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD, EMAIL_USE_TLS, EMAIL_USE_SSL = _mail
DEFAULT_FROM_EMAIL = SERVER_EMAIL = outside.sender(_env.text("EMAIL_FROM"), BUILDBOARD_URL)

_https = any(origin.startswith("https://") for origin in CSRF_TRUSTED_ORIGINS)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _https else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- The application -----------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "builds",  # first: its runserver streams, Django's own does not
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "axes",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "builds.web.outage.Outage",
]

ROOT_URLCONF = "buildboard.urls"
ASGI_APPLICATION = "buildboard.asgi.application"
WSGI_APPLICATION = None

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- Database ------------------------------------------------------------------------------------------------------

DATABASES = {"default": databases.configured(_env, BUILDBOARD_DATA)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Channel layer: a doorbell only (builds/wakes.py) ----------------------------------------------------------------

REDIS_URL = _env.text("REDIS_URL")
if REDIS_URL and not REDIS_URL.startswith(("redis://", "rediss://", "unix://")):
    raise refused("REDIS_URL", "", "redis://host:port/number, rediss://… or unix://…")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "buildboard"},
    }
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}

# --- Signing in ----------------------------------------------------------------------------------------------------

CSRF_FAILURE_VIEW = "builds.web.errors.csrf_failure"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "board"
LOGOUT_REDIRECT_URL = "login"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"
AXES_VERBOSE = False
AXES_DISABLE_ACCESS_LOG = True  # a row for each sign-in, for ever

# --- Language, time, static files ----------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
FORMAT_MODULE_PATH = "buildboard.formats"

STATIC_URL = "/static/"
STATIC_ROOT = BUILDBOARD_DATA / "static"
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "buildboard.storage.HashedStatic"
    },
    "artifacts": filestores.storage(
        BUILDBOARD_STORAGE,
        BUILDBOARD_DATA / "artifacts",
        endpoint_url=BUILDBOARD_S3_ENDPOINT,
        region_name=BUILDBOARD_S3_REGION,
        access_key=BUILDBOARD_S3_ACCESS_KEY,
        secret_key=BUILDBOARD_S3_SECRET_KEY,
    ),
}
TEST_RUNNER = "tests.runner.Runner"
# Forms: the largest recipe has to fit, and each of its bytes may be three in a form. The API looks at its own bound.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * max(BUILDBOARD_MAX_BODY_KB, 3 * BUILDBOARD_MAX_RECIPE_KB + 64)
