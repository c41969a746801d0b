from django.http import HttpResponse


def board_events(request, **kwargs):
    return HttpResponse(status=501)


def build_events(request, **kwargs):
    return HttpResponse(status=501)
