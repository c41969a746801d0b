from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import SimpleTestCase, override_settings, tag

from buildboard.direct import Handler


class Guard:
    """A middleware of somebody's own that knows nothing of async."""

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("not you", status=403)


@tag("fast")
class HandlerTests(SimpleTestCase):
    @override_settings(MIDDLEWARE=[f"{__name__}.Guard"])
    def test_what_knows_only_threads_is_refused_and_not_left_out(self):
        with self.assertRaisesMessage(ImproperlyConfigured, f"MIDDLEWARE: {__name__}.Guard cannot be passed without"):
            Handler().load_middleware()
