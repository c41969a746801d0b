"""django-eventstream with its database storage. DATABASE: the SQLite file."""

import os

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

settings.configure(
    SECRET_KEY="bench",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_eventstream"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DATABASE"]}},
    EVENTSTREAM_STORAGE_CLASS="django_eventstream.storage.DjangoModelStorage",
    USE_TZ=True,
    LOGGING_CONFIG=None,
)
django.setup()


def publish(request: HttpRequest) -> HttpResponse:
    from django_eventstream import send_event

    for text in request.body.decode().splitlines():
        send_event("log", "log", {"text": text})
    return HttpResponse(status=204)


urlpatterns = [path("events", include("django_eventstream.urls"), {"channels": ["log"]}), path("publish", publish)]
application = get_asgi_application()

if __name__ == "__main__":
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
