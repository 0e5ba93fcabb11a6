"""Bodies over HTTP, on connections that are kept alive."""

import http.client
import threading
import time

BUSY = (429, 503)
AGAIN_S = 0.05
# Servers close a line that was idle for longer; it is opened again before it is used.
IDLE_MAX_S = 2


class Line:
    def __init__(self, port, headers=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        self.headers = headers or {}
        self.used = time.monotonic()

    def ask(self, method, path, body=None):
        """The body of a good answer; asks again where the server is busy."""
        if time.monotonic() - self.used > IDLE_MAX_S:
            self.connection.close()
        while True:
            self.connection.request(method, path, body, self.headers)
            answer = self.connection.getresponse()
            text = answer.read()
            self.used = time.monotonic()
            if answer.status < 300:
                return text
            if answer.status not in BUSY:
                raise RuntimeError(f"{path[:200]}: {answer.status} {text[:500]}")
            time.sleep(AGAIN_S)


def feed(paths, connections, open_line, send):
    """`send(line, body)` of every file, each once, over so many lines side by side."""
    rest, lock, failed = iter(paths), threading.Lock(), []

    def work():
        line = open_line()
        while not failed:
            with lock:
                path = next(rest, None)
            if path is None:
                return
            try:
                send(line, path.read_bytes())
            except Exception as error:
                failed.append(error)

    workers = [threading.Thread(target=work) for _ in range(connections)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failed:
        raise failed[0]
