"""A Flask application as anybody writes one: JSON, forms, cookies, sessions, uploads, streams, errors."""

from flask import Flask, Response, abort, jsonify, request, session, stream_with_context

app = Flask(__name__)
app.secret_key = "a secret of a test"


@app.get("/")
def index():
    return jsonify(hello="world")


@app.post("/form")
def form():
    return jsonify(name=request.form["name"], files={key: len(file.read()) for key, file in request.files.items()})


@app.post("/json")
def take_json():
    return jsonify(got=request.get_json(), length=request.content_length)


@app.get("/count")
def count():
    session["count"] = session.get("count", 0) + 1
    return jsonify(count=session["count"], cookies=len(request.cookies))


@app.get("/stream")
def stream():
    @stream_with_context
    def pieces():
        for index in range(100):
            yield f"{request.path} {index}\n"

    return Response(pieces(), mimetype="text/plain")


@app.post("/echo")
def echo():
    stream = request.stream
    return Response(iter(lambda: stream.read(8192), b""), mimetype="application/octet-stream")


@app.get("/teapot")
def teapot():
    abort(418)


@app.get("/fail")
def fail():
    raise RuntimeError("marker-flask")


@app.get("/url")
def url():
    return jsonify(url=request.url, address=request.remote_addr, secure=request.is_secure)
