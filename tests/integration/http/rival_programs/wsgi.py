"""As asgi.py, for a WSGI server."""


def app(environ, start_response):
    body = environ["wsgi.input"].read() or b"ok"
    start_response("200 OK", [("Content-Length", str(len(body))), ("X-Method", environ["REQUEST_METHOD"])])
    return [body]
