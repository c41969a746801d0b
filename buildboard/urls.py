"""Every path of the board. `builds/urls.py` ties the product's paths to views."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import include, path


def favicon(request: HttpRequest) -> HttpResponse:
    """For pages that name no icon, such as the admin's: browsers ask for this path."""
    return redirect(static("builds/icons/board.svg"))


handler400 = "builds.web.errors.bad_request"
urlpatterns = [
    path("favicon.ico", favicon),
    path("admin/", admin.site.urls),
    path("", include("builds.urls")),
]

handler500 = "builds.web.outage.server_error"
