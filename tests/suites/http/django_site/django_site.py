"""A Django project in a file: its admin, its static files, a form, an upload, a streamed answer. As ASGI and as WSGI application.

SITE_DATABASE is the path of its database. `python django_site.py` makes it, with a superuser admin whose password is secret.
"""

import asyncio
import hashlib
import os
import sys

import django
from django.conf import settings

APPLICATIONS = ("admin", "auth", "contenttypes", "sessions", "messages", "staticfiles")
settings.configure(
    SECRET_KEY="of a test alone, and nowhere else: " + "x" * 20,
    DEBUG=True,  # static files are served only so
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[f"django.contrib.{name}" for name in APPLICATIONS],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["SITE_DATABASE"]}},
    STATIC_URL="/static/",
)
django.setup()

from django import forms  # noqa: E402
from django.contrib import admin  # noqa: E402
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler, StaticFilesHandler  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse  # noqa: E402
from django.middleware.csrf import get_token  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402


class Letter(forms.Form):
    subject = forms.CharField(max_length=20)
    count = forms.IntegerField()


def letter(request):
    if request.method == "GET":
        return HttpResponse(f"<form><input name=csrfmiddlewaretoken value={get_token(request)}>{Letter()}</form>")
    sent = Letter(request.POST)
    return JsonResponse(sent.cleaned_data if sent.is_valid() else sent.errors, status=200 if sent.is_valid() else 422)


@csrf_exempt
def upload(request):
    file, digest = request.FILES["file"], hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    return JsonResponse({
        "name": file.name, "size": file.size, "digest": digest.hexdigest(), "on_disk": hasattr(file, "temporary_file_path"),
        "note": request.POST["note"],
    })  # fmt: skip


async def streamed(request):
    async def pieces():
        for index in range(100):
            await asyncio.sleep(0)
            yield f"{index}\n"

    return StreamingHttpResponse(pieces(), content_type="text/plain")


def failing(request):
    raise ValueError("as it should")


urlpatterns = [
    path("admin/", admin.site.urls),
    path("letter", letter),
    path("upload", upload),
    path("streamed", streamed),
    path("failing", failing),
]
application = ASGIStaticFilesHandler(get_asgi_application())
wsgi = StaticFilesHandler(get_wsgi_application())

if __name__ == "__main__":
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    sys.modules["django_site"] = sys.modules[__name__]
    call_command("migrate", verbosity=0)
    get_user_model().objects.create_superuser("admin", password="secret")
