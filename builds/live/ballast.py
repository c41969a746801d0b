"""What a request holds that its stream does not need: half of what an idle viewer would take of memory otherwise."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase

_NEEDED = frozenset({"_stream", "method", "path", "path_info", "resolver_match", "scope"})
"""For the end of the request, and for whoever writes down that it failed."""


def drop(request: HttpRequest, response: HttpResponseBase) -> None:
    """When all middleware is done, the response's head is on its way, and its body has begun: the caller's user and
    session, what was matched and tried to find the view, and the fields of both heads."""
    for name in request.__dict__.keys() - _NEEDED:
        del request.__dict__[name]
    request.resolver_match = None
    for name, _ in list(response.items()):
        del response[name]
