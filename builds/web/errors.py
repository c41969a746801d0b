"""What is answered where a request cannot be taken as it is, before any view has seen it."""

from django.conf import settings
from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views import defaults

from .problems import problem

_UNKNOWN_HOST = (
    "This board does not answer to the host name of this request. Whoever runs it adds the name to the setting "
    "ALLOWED_HOSTS, and starts it again."
)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, or 413 for a form that is larger than the board takes. What it does answer to is not told to strangers."""
    if isinstance(exception, DisallowedHost):
        if request.path.startswith("/api/v1/"):
            return problem(400, _UNKNOWN_HOST)
        return HttpResponse(f"{_UNKNOWN_HOST}\n", status=400, content_type="text/plain; charset=utf-8")
    if not isinstance(exception, RequestDataTooBig):
        return defaults.bad_request(request, exception)
    kilobytes = settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 1024
    return render(request, "413.html", {"kilobytes": kilobytes}, status=413)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form that may be somebody else's: most often one of before its user signed in anew."""
    origin = request.headers.get("Origin", "") if reason.startswith("Origin checking failed") else ""
    page = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(page, {request.get_host()})
    return render(request, "csrf.html", {"origin": origin[:200], "back": page if is_ours else ""}, status=403)
