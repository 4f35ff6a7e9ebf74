"""hub.py FOLDER LOG: serves FOLDER as huggingface.co does, on a free port, which is the first line printed.

REPOSITORY/resolve/main/FILE redirects to the contents and says their size and sha256 (or, of small files, git's name);
repositories whose name begins with "gated" want the token "secret"; contents honour ranges. A file FILE.cut beside FILE
makes the first answer end after that many bytes. LOG gets a line an answer."""
import hashlib
import http.server
import os
import sys
import urllib.parse

root, log = sys.argv[1], open(sys.argv[2], "w", buffering=1)


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, code, headers=(), body=b""):
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
        log.write(f"{self.command} {self.path} {code} {len(body)} {self.headers.get('Range', '-')}\n")

    def do_GET(self):
        parts = urllib.parse.unquote(self.path).strip("/").split("/")
        linked = parts[0] == "contents"
        path = os.path.join(root, *(parts[1:] if linked else parts[:2] + parts[4:]))
        if not linked and parts[0].startswith("gated") and self.headers.get("Authorization") != "Bearer secret":
            return self.answer(401)
        if not os.path.isfile(path):
            return self.answer(404)
        body = open(path, "rb").read()
        if not linked and path.endswith(".json"):
            name = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
            return self.answer(200, [("ETag", f'"{name}"')], body)
        if not linked:
            where = "/contents/" + "/".join(parts[:2] + parts[4:])
            return self.answer(302, [("Location", where), ("X-Linked-Size", str(len(body))),
                                     ("X-Linked-Etag", f'"{hashlib.sha256(body).hexdigest()}"')])
        begin = int(self.headers.get("Range", "bytes=0-").split("=")[1].rstrip("-"))
        cut = path + ".cut"
        if os.path.exists(cut):  # the connection breaks off
            sent = body[begin:int(open(cut).read())]
            os.remove(cut)
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(body) - begin))
            self.end_headers()
            self.wfile.write(sent)
            log.write(f"GET {self.path} cut {len(sent)}\n")
            self.close_connection = True
            return None
        if begin >= len(body):
            return self.answer(416)
        return self.answer(206 if begin else 200, [("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")],
                           body[begin:])

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
