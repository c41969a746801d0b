"""What is answered where a request cannot be taken as it is, before any view has seen it."""

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import defaults


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, or 413 for a form that is larger than the board takes."""
    if not isinstance(exception, RequestDataTooBig):
        return defaults.bad_request(request, exception)
    kilobytes = settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 1024
    return render(request, "413.html", {"kilobytes": kilobytes}, status=413)
