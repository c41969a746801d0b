from django.http import HttpResponse


def healthz(request, **kwargs):
    return HttpResponse(status=501)


def readyz(request, **kwargs):
    return HttpResponse(status=501)


def metrics(request, **kwargs):
    return HttpResponse(status=501)
