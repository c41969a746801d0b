from django.http import HttpResponse


def board(request, **kwargs):
    return HttpResponse(status=501)


def project(request, **kwargs):
    return HttpResponse(status=501)


def start(request, **kwargs):
    return HttpResponse(status=501)


def build(request, **kwargs):
    return HttpResponse(status=501)


def cancel(request, **kwargs):
    return HttpResponse(status=501)


def retry(request, **kwargs):
    return HttpResponse(status=501)


from django.contrib.auth.views import LoginView as Login  # noqa
