"""A Django project in one file, by WSGI (`application`) and by ASGI (`asgi_application`)."""

import json

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

settings.configure(
    ROOT_URLCONF=__name__,
    SECRET_KEY="a secret of a test",
    ALLOWED_HOSTS=["*"],
    DEBUG=False,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django.middleware.security.SecurityMiddleware"],
)


def index(request):
    return JsonResponse({"hello": "world", "method": request.method, "query": dict(request.GET.items())})


def take(request):
    return JsonResponse({"got": json.loads(request.body)})


def upload(request):
    return JsonResponse({"name": request.POST["name"], "size": request.FILES["file"].size})


def stream(request):
    return StreamingHttpResponse((f"piece {index};" for index in range(100)), content_type="text/plain")


def fail(request):
    raise RuntimeError("marker-django")


def text(request, word):
    return HttpResponse(word)


urlpatterns = [
    path("", index),
    path("take", take),
    path("upload", upload),
    path("stream", stream),
    path("fail", fail),
    path("word/<str:word>", text),
]

application = get_wsgi_application()
django.setup(set_prefix=False)
asgi_application = ASGIHandler()
