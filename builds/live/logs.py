from django.http import HttpResponse


def lines(request, **kwargs):
    return HttpResponse(status=501)


def text(request, **kwargs):
    return HttpResponse(status=501)
